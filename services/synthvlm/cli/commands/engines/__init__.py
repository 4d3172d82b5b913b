"""``synthvlm engines``: networks as ONNX graphs and TensorRT engines."""

"""``synthvlm engines``: components as ONNX graphs and TensorRT engines."""

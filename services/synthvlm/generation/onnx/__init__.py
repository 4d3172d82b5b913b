"""Components as ONNX graphs: exported, compared with PyTorch, and computed by ONNX Runtime."""

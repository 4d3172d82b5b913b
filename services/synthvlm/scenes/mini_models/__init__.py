"""The bundled mini models: their shapes and tokenizers, how they are trained and measured."""

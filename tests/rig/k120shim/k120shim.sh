#!/bin/sh
# cluster.py says which Python.
exec "$K120SHIM_PYTHON" "$HELM_PLUGIN_DIR/k120shim.py"

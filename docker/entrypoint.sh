#!/bin/sh
# Runs the package that the image is for. A service is itself the process that gets the signals; steps and
# jobs start others, and have an init above them.
case $SYNTHVLM_IMAGE in
  pipelines) exec tini -- python3 -m synthvlm_pipelines "$@" ;;
  training | evaluation) exec tini -- python3 -m "synthvlm.$SYNTHVLM_IMAGE" "$@" ;;
  triton) exec python3 -m synthvlm.generation.triton "$@" ;;
  engines) exec python3 -m synthvlm.generation.tensorrt "$@" ;;
  *) exec python3 -m "synthvlm.$SYNTHVLM_IMAGE" "$@" ;;
esac

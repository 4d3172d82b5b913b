#!/bin/sh
# Takes out of installed packages what nothing in an image uses. PyTorch and NVIDIA's packages stay as they
# are: their libraries need one another.
#
#     trim.sh FOLDER
set -eu
cd "$1"/python3*/site-packages

find . -type d -name tests -not -path './torch/*' -prune -exec rm -r {} +
find . -type d -name include -not -path './torch/*' -not -path './triton/*' -not -path './nvidia/*' -prune \
  -exec rm -r {} +
find . -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' \) -delete

# Arrow: transports and stores of its own, which this project's store replaces.
if [ -d pyarrow ]; then
  rm -r pyarrow/src pyarrow/libarrow_flight.so* pyarrow/libarrow_python_flight.so* pyarrow/_flight*.so \
    pyarrow/libarrow_s3.so* pyarrow/_s3fs*.so
  # One library under three names.
  for library in pyarrow/libarrow_python pyarrow/libarrow_python_parquet_encryption; do
    for name in "$library".so "$library".so.*.*.*; do
      [ ! -f "$name" ] || rm "$name"
    done
  done
fi
# numpy: what builds extensions, and what only checkers of types read. f2py stays: `import *` wants it.
if [ -d numpy ]; then
  rm -r numpy/distutils
  find numpy -type f \( -name '*.pyi' -o -name '*.a' \) -delete
fi
# The extension for other interpreters than CPython.
rm -f zstandard/_cffi*.so zstandard/backend_cffi.py

# Libraries that wheel repair has rewritten (in *.libs) are left alone.
if command -v strip >/dev/null; then
  find . -name '*.so*' -type f -not -path './*.libs/*' -not -path './torch*' -not -path './triton/*' \
    -not -path './nvidia/*' -not -path './cuda/*' -exec strip --strip-unneeded {} +
fi

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
find . -type f \( -name '*.pyx' -o -name '*.pxd' -o -name '*.pxi' -o -name '*.proto' \) -delete

# Arrow: transports and stores of its own, which this project's store replaces.
if [ -d pyarrow ]; then
  rm -r pyarrow/src pyarrow/libarrow_flight.so* pyarrow/libarrow_python_flight.so* pyarrow/_flight*.so \
    pyarrow/libarrow_s3.so* pyarrow/_s3fs*.so pyarrow/_gcsfs*.so pyarrow/_azurefs*.so pyarrow/_hdfs*.so \
    pyarrow/_pyarrow_cpp_tests*.so
  # One library under three names.
  for library in pyarrow/libarrow_python pyarrow/libarrow_python_parquet_encryption; do
    for name in "$library".so "$library".so.*.*.*; do
      [ ! -f "$name" ] || rm "$name"
    done
  done
fi
# numpy: what builds extensions, what only checkers of types read, and modules of its tests. SciPy's
# `import *` wants f2py.
if [ -d numpy ]; then
  [ -d scipy ] || rm -r numpy/f2py
  rm -r numpy/distutils numpy/_core/_simd.*.so numpy/_core/_*_tests.*.so
  find numpy -type f \( -name '*.pyi' -o -name '*.a' \) -delete
fi
# Pillow: fonts, profiles of colours, and images in AVIF, which no service takes.
if [ -d PIL ]; then
  rm PIL/_avif.*.so PIL/_imagingft.*.so PIL/_imagingcms.*.so PIL/_imagingtk.*.so
  rm pillow.libs/libavif-* pillow.libs/libfreetype-* pillow.libs/libharfbuzz-* pillow.libs/liblcms2-* \
    pillow.libs/libbrotli*
fi
rm -rf sqlalchemy/testing alembic/testing
# The extension for other interpreters than CPython.
rm -f zstandard/_cffi*.so zstandard/backend_cffi.py

# Libraries that wheel repair has rewritten (in *.libs) are left alone.
if command -v strip >/dev/null; then
  find . -name '*.so*' -type f -not -path './*.libs/*' -not -path './torch*' -not -path './triton/*' \
    -not -path './nvidia/*' -not -path './cuda/*' -exec strip --strip-unneeded {} +
fi

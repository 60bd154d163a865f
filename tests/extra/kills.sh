#!/bin/sh
# kills.sh [N]: a training that saves itself after every step, killed N times (1000) at random, and resumed:
# the file is always that of a complete step, and the end the same to the bit as of a training that nobody
# killed.
cd "$(dirname "$0")/../.." || exit 1
make -s build/test_faults && build/test_faults --kills "${1:-1000}"

#!/bin/sh
# Builds the hazard programs: make.sh OUT.elf. Debian's gcc-riscv64-unknown-elf 12.2.0 gives the very code of hazards.elf.gz.
set -eu
out=$(readlink -f "$(dirname "$1")")/$(basename "$1")
cd "$(dirname "$0")"
riscv64-unknown-elf-gcc -march=rv64gc_zicsr_zifencei -mabi=lp64d -mcmodel=medany -nostdlib -nostartfiles -mno-relax \
  -Wl,--no-relax -Wl,--no-warn-rwx-segments -Wl,--build-id=none -T link.ld start.S hazards.S -o "$out"
riscv64-unknown-elf-strip "$out"

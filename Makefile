# make            the example programs, into build/; build/fit is the one for a table of your own
# make demo       train on the dino and leave pictures in runs/dino
# make test       everything the project promises, in two minutes; make -C tests/extra lists what takes longer
# make playground docs/playground/index.html with the WebAssembly of this header; needs clang, lld and wasi-libc
# make bench      how fast everything is, beside its limits and its rivals; `sh tests/bench/run.sh
#                 kernels` and other names of parts: some of it
# make docs       measures and draws again, within an hour, what README.md and docs/ say of the five sets, and
#                 redraws the rest from its tables
# make install    header, grid.h beside it as itdiff_grid.h, pkg-config file, manual pages, completion, into
#                 $(PREFIX); make uninstall takes them away
# make dist       build/itdiff-VERSION.tar.gz of the last commit, always with the same bytes
CC      ?= cc
CFLAGS  ?= -O2
WARN     = -std=c99 -pedantic -Wall -Wextra -Wconversion -Wshadow
# OpenMP where the compiler can link it; `make OPENMP=` goes without
OPENMP  := $(shell mkdir -p build && echo 'int main(void){return 0;}' > build/omp.c && \
             $(CC) -fopenmp build/omp.c -o build/omp 2>/dev/null && echo -fopenmp)

all: $(patsubst examples/%.c,build/%,$(wildcard examples/*.c))
build/%: examples/%.c itdiff.h $(wildcard examples/support/*.h)
	$(CC) $(WARN) $(CFLAGS) $(OPENMP) -I. $< -o $@ -lm

demo: build/train_2d
	build/train_2d --dataset dino

# test, bench, docs, playground
include tests/rules.mk tests/bench/rules.mk docs/rules.mk

VERSION := $(shell sed -n 's/^.define ITDIFF_VERSION "\(.*\)"/\1/p' itdiff.h)
PREFIX  ?= /usr/local
INTO     = $(DESTDIR)$(PREFIX)
MANUAL   = $(notdir $(wildcard docs/man/*.1))
COMPLETE = $(INTO)/share/bash-completion/completions

# Bash reads the completion of a program when it is first wanted, from a file of the program's name.
install:
	mkdir -p "$(INTO)/include" "$(INTO)/share/pkgconfig" "$(INTO)/share/man/man1" "$(COMPLETE)"
	cp itdiff.h "$(INTO)/include/itdiff.h"
	cp examples/support/grid.h "$(INTO)/include/itdiff_grid.h"
	cp $(MANUAL:%=docs/man/%) "$(INTO)/share/man/man1"
	for program in $(MANUAL:.1=); do cp docs/completion/itdiff.bash "$(COMPLETE)/$$program" || exit 1; done
	printf '%s\n' 'prefix=$(PREFIX)' 'Name: itdiff' 'Version: $(VERSION)' \
	  'Description: information-theoretic diffusion in one C header' 'URL: https://arxiv.org/abs/2302.03792' \
	  'Cflags: -I"$${prefix}/include"' 'Libs: -lm' > "$(INTO)/share/pkgconfig/itdiff.pc"

uninstall:
	rm -f "$(INTO)/include/itdiff.h" "$(INTO)/include/itdiff_grid.h" "$(INTO)/share/pkgconfig/itdiff.pc" \
	  $(MANUAL:%="$(INTO)/share/man/man1/%") $(MANUAL:%.1="$(COMPLETE)/%")

# git dates all files by the commit, and gzip -n adds no date of its own
dist:
	mkdir -p build
	git archive --format=tar --prefix=itdiff-$(VERSION)/ HEAD > build/itdiff-$(VERSION).tar
	gzip -9nf build/itdiff-$(VERSION).tar

clean:
	rm -rf build

.PHONY: all demo test playground bench bench-programs docs install uninstall dist clean
MAKEFLAGS += -j$(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

# make            the example programs, into build/; build/fit is the one for a table of your own
# make demo       train on the dino and leave pictures in runs/dino
# make test       everything the project promises, in some minutes
# make matrix     other compilers, languages and machines, where installed; ONLY="tcc musl": some of them
# make trust      half an hour: sanitizers, valgrind, analysers, 1,000 kills; ONLY="msan tsan": some of them
# make fuzz       MINUTES=10 of fuzzing for each reader of files
# make soak       HOURS=1 of training, killed and resumed: is the memory flat?
# make night      all of these, into docs/reliability.md
# make bench      six minutes: how fast everything is, beside its limits and its rivals
# make docs       measures and draws all of README.md and docs/ again, within an hour; but not what rivals reach,
#                 which takes scikit-learn: make build/points && sh docs/rivals.sh
# make playground docs/playground/index.html with the WebAssembly of this header; needs clang, lld and wasi-libc
# make mpi        train_cifar10 for several machines
# make install    header, grid.h beside it as itdiff_grid.h, pkg-config file, manual pages and completion, into
#                 $(PREFIX); `make uninstall` takes them away
# make dist       build/itdiff-VERSION.tar.gz of the last commit, always with the same bytes
CC      ?= cc
CFLAGS  ?= -O2
PREFIX  ?= /usr/local
WARN    := -std=c99 -pedantic -Wall -Wextra -Wconversion -Wshadow
# OpenMP where the compiler can link it; `make OPENMP=` goes without
OPENMP  := $(shell mkdir -p build && echo 'int main(void){return 0;}' > build/omp.c && \
             $(CC) -fopenmp build/omp.c -o build/omp 2>/dev/null && echo -fopenmp)
BUILD    = $(CC) $(WARN) $(CFLAGS) $(OPENMP)

EXAMPLES = $(patsubst examples/%.c,build/%,$(wildcard examples/*.c))
TESTS    = $(patsubst tests/%.c,build/%,$(wildcard tests/test_*.c))
HEADERS  = itdiff.h $(wildcard examples/support/*.h tests/*.h)

all: $(EXAMPLES)

# What takes longest to compile is compiled once: the kernels of all instruction sets, for programs with an
# implementation of their own (OWN), and an implementation for those that see only what is public (SHARING);
# -DITDIFF_IMPLEMENTED leaves it out of their own files. quickstart has everything in one, as programs of users.
SHARING  = bounds exact information ode ood test_cifar10 test_datasets test_frame test_golden test_kde \
           test_map test_npy test_rng test_sample test_schedule test_scores test_support test_table \
           test_watch
OWN      = fit playground train_2d train_cifar10 test_checkpoint test_gaussian test_grid test_images test_kernels test_learn \
           test_likelihood test_ops test_saved test_threads test_train test_unet
SHARED   = $(patsubst build/itdiff.o,-DITDIFF_IMPLEMENTED,$(filter build/itdiff.o,$^)) $(if \
           $(filter build/kernels.o,$^),$(KERNELS)) $(filter %.o,$^)
KERNELS  = -DITD_NO_SIMD -DITD__KERNELS_OF=shared_kernels
$(OWN:%=build/%): build/kernels.o
$(SHARING:%=build/%): build/kernels.o build/itdiff.o
build/itdiff.o: itdiff.h Makefile
	$(BUILD) $(KERNELS) -DITDIFF_IMPLEMENTATION -x c -c $< -o $@
build/kernels.o: itdiff.h Makefile
	printf '%s\n' '#define ITDIFF_STATIC' '#define ITDIFF_IMPLEMENTATION' '#include "../itdiff.h"' \
	  'const itd__kernels *shared_kernels(itd_simd simd);' \
	  'const itd__kernels *shared_kernels(itd_simd simd) { return itd__kernels_of(simd); }' > build/kernels.c
	$(BUILD) -I. -c build/kernels.c -o $@

build/%: examples/%.c $(HEADERS) Makefile
	$(BUILD) -I. $(SHARED) $< -o $@ -lm

build/%: tests/%.c $(HEADERS) Makefile
	$(BUILD) $(SHARED) $< -o $@ -lm
build/test_malformed build/test_faults build/test_fuzz build/test_saved: CFLAGS += -O1 -DITD_NO_SIMD
build/test_fuzz: $(wildcard tests/fuzz/*.[ch])

# One training on many machines: mpirun -n 4 build/train_cifar10_mpi --threads N ...
mpi: build/train_cifar10_mpi
build/train_cifar10_mpi: examples/train_cifar10.c build/kernels.o $(HEADERS) Makefile
	@command -v mpicc > /dev/null || { echo "make mpi: mpicc is not installed (Debian: libopenmpi-dev)"; exit 1; }
	OMPI_CC="$(CC)" MPICH_CC="$(CC)" mpicc $(WARN) $(CFLAGS) $(OPENMP) -DUSE_MPI -I. $(SHARED) $< -o $@ -lm

# The page in which one watches a training, with this header as WebAssembly: clang, lld and wasi-libc make it, no
# browser is needed. Four functions of WASI are left to the page, which has them (docs/playground/src/core.mjs).
WASM     = clang --target=wasm32-wasi -std=c99 -O2 -DNDEBUG -msimd128 -mexec-model=reactor -nodefaultlibs -Wl,--strip-all \
           -Wl,-z,stack-size=262144 -Wno-ignored-pragmas
playground: build/playground.wasm
	sh docs/playground/build.sh $<
build/playground.wasm: examples/playground.c $(HEADERS) Makefile
	@for tool in clang wasm-ld; do command -v $$tool > /dev/null || \
	  { echo "make playground: $$tool is not installed (Debian: clang lld wasi-libc)"; exit 1; }; done
	@echo '#include <stdlib.h>' | clang --target=wasm32-wasi -fsyntax-only -x c - 2> /dev/null || \
	  { echo "make playground: wasi-libc is not installed (Debian: wasi-libc)"; exit 1; }
	$(WASM) $< -lc-printscan-no-floating-point -lc -lm -o $@

demo: build/train_2d
	build/train_2d --dataset dino

# Each test program and shell test leaves its output in build/NAME.out; tests/sum.sh prints and adds them up.
OUTPUTS  = $(TESTS:=.out) build/header.out build/examples.out build/fit.out build/images.out build/numbers.out \
           build/docs.out build/mpi.out build/python.out build/package.out build/playground.out
test: $(OUTPUTS)
	@sh tests/sum.sh $(OUTPUTS)
build/test_%.out: build/test_% FORCE
	@OMP_WAIT_POLICY=passive $< > $@ 2>&1; echo "exit $$?" >> $@
build/%.out: tests/%.sh $(EXAMPLES) FORCE
	@CC="$(CC)" OMP_WAIT_POLICY=passive sh $< > $@ 2>&1; echo "exit $$?" >> $@
FORCE:

matrix:
	@sh tests/matrix.sh

# What a fuzzer finds in MINUTES for each reader of files; tests/fuzz/run.sh says with which fuzzer
MINUTES ?= 10
fuzz:
	@CC="$(CC)" sh tests/fuzz/run.sh $(MINUTES)

# Sanitizers, valgrind, static analysers, 1,000 kills; `make trust ONLY="msan tsan"` for some of them
trust:
	@CC="$(CC)" ONLY="$(ONLY)" sh tests/trust.sh

# Two trainings side by side, stopped and resumed every ten minutes
HOURS ?= 1
soak:
	@CC="$(CC)" sh tests/soak.sh $(HOURS)

# Everything that gets better with time, and what came of it into docs/reliability.md
night:
	-$(MAKE) trust
	-$(MAKE) fuzz MINUTES=60
	-$(MAKE) soak HOURS=2
	-sh tests/coverage.sh
	-python3 tests/mutate.py -n 195
	for part in trust fuzz/run soak coverage; do sh tests/$$part.sh docs || exit 1; done
	python3 tests/mutate.py -n 195 --docs

# A rival in the benchmark, where it can be linked; `make OPENBLAS= bench` goes without
OPENBLAS = $(shell echo 'char *openblas_get_config(void); int main(void){return !openblas_get_config();}' \
             > build/blas.c && $(CC) build/blas.c -o build/blas -lopenblas 2>/dev/null && \
             echo -DBENCH_OPENBLAS -lopenblas)
build/bench_kernels: tests/bench_kernels.c $(HEADERS) Makefile
	$(BUILD) '-DBENCH_BUILD="$(CC) $(CFLAGS) $(OPENMP)"' $< -o $@ $(OPENBLAS) -lm

bench: build/bench_kernels build/bench_train build/bench_images build/train_2d
	@sh tests/bench.sh

# The tables and figures of the plane are measured again, those of CIFAR-10 made from the tables in docs/.
build/gallery build/points: build/%: docs/%.c $(HEADERS) Makefile
	$(BUILD) -I. $< -o $@ -lm

docs: all build/gallery build/bench_estimator
	FORCE=1 sh docs/results.sh
	sh docs/results.sh --estimator
	sh docs/gallery.sh
	sh docs/images.sh --redraw

VERSION := $(shell sed -n 's/^.define ITDIFF_VERSION "\(.*\)"/\1/p' itdiff.h)
INTO     = $(DESTDIR)$(PREFIX)
MANUAL   = $(notdir $(wildcard man/*.1))
COMPLETE = $(INTO)/share/bash-completion/completions

# Bash reads the completion of a program when it is first wanted, from a file of the program's name.
install:
	mkdir -p "$(INTO)/include" "$(INTO)/share/pkgconfig" "$(INTO)/share/man/man1" "$(COMPLETE)"
	cp itdiff.h "$(INTO)/include/itdiff.h"
	cp examples/support/grid.h "$(INTO)/include/itdiff_grid.h"
	cp $(MANUAL:%=man/%) "$(INTO)/share/man/man1"
	for program in $(MANUAL:.1=); do cp completions/itdiff.bash "$(COMPLETE)/$$program" || exit 1; done
	printf '%s\n' 'prefix=$(PREFIX)' 'Name: itdiff' 'Version: $(VERSION)' \
	  'Description: information-theoretic diffusion in one C header' 'URL: https://arxiv.org/abs/2302.03792' \
	  'Cflags: -I$${prefix}/include' 'Libs: -lm' > "$(INTO)/share/pkgconfig/itdiff.pc"

uninstall:
	rm -f "$(INTO)/include/itdiff.h" "$(INTO)/include/itdiff_grid.h" "$(INTO)/share/pkgconfig/itdiff.pc" \
	  $(MANUAL:%="$(INTO)/share/man/man1/%") $(MANUAL:%.1="$(COMPLETE)/%")

# git dates all files by the commit, and gzip -n adds no date of its own
dist:
	mkdir -p build
	git archive --format=tar --prefix=itdiff-$(VERSION)/ HEAD > build/itdiff-$(VERSION).tar
	gzip -9nf build/itdiff-$(VERSION).tar

clean:
	rm -rf build runs

.SECONDARY:
.PHONY: all mpi playground demo test matrix trust fuzz soak night bench docs install uninstall dist clean
MAKEFLAGS += -j$(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 2)

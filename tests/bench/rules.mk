# How `make bench` is built; the Makefile includes it.

# A rival in the benchmark, where it can be linked; `make OPENBLAS= bench` goes without
OPENBLAS = $(shell echo 'char *openblas_get_config(void); int main(void){return !openblas_get_config();}' \
             > build/blas.c && $(CC) build/blas.c -o build/blas -lopenblas 2>/dev/null && \
             echo -DBENCH_OPENBLAS -lopenblas)
build/bench_kernels: LINKED = $(OPENBLAS)
build/bench_%: tests/bench/%.c $(HEADERS)
	$(COMPILE) '-DBENCH_BUILD="$(CC) $(CFLAGS) $(OPENMP)"' $< -o $@ $(LINKED) -lm
build/bench_networks_O%: tests/bench/networks.c $(HEADERS)
	$(COMPILE) -O$* -DITD_NO_SIMD $< -o $@ -lm

bench-programs: build/bench_kernels build/bench_networks build/bench_networks_O2 build/bench_networks_O3 build/train_2d
bench: bench-programs
	@sh tests/bench/run.sh

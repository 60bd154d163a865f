# How `make bench` is built; the Makefile includes it.

# A rival in the benchmark, where it can be linked; `make OPENBLAS= bench` goes without
OPENBLAS = $(shell echo 'char *openblas_get_config(void); int main(void){return !openblas_get_config();}' \
             > build/blas.c && $(CC) build/blas.c -o build/blas -lopenblas 2>/dev/null && \
             echo -DBENCH_OPENBLAS -lopenblas)
build/bench_%: tests/bench_%.c $(HEADERS)
	$(COMPILE) $< -o $@ -lm
build/bench_kernels: tests/bench_kernels.c $(HEADERS)
	$(COMPILE) '-DBENCH_BUILD="$(CC) $(CFLAGS) $(OPENMP)"' $< -o $@ $(OPENBLAS) -lm

bench: build/bench_kernels build/bench_train build/bench_images build/train_2d
	@sh tests/bench.sh

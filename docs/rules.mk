# How `make docs` measures and draws; the Makefile includes it. What rivals reach takes scikit-learn and is not
# among it: make build/points && FORCE=1 sh docs/rivals.sh

# The tables and figures of the plane are measured again, those of CIFAR-10 made from the tables in docs/.
build/gallery build/points build/grid_range: build/%: docs/%.c $(HEADERS)
	$(COMPILE) -I. $< -o $@ -lm

docs: all build/gallery build/bench_estimator
	FORCE=1 sh docs/results.sh
	sh docs/results.sh --estimator
	sh docs/likelihood.sh
	sh docs/gallery.sh
	sh docs/images.sh --redraw

# The page in which one watches a training, with this header as WebAssembly: clang, lld and wasi-libc make it, no
# browser is needed. Four functions of WASI are left to the page, which has them (docs/playground/src/core.mjs).
WASM     = clang --target=wasm32-wasi -std=c99 -O2 -DNDEBUG -msimd128 -mexec-model=reactor -nodefaultlibs -Wl,--strip-all \
           -Wl,-z,stack-size=65536 -Wno-ignored-pragmas
playground: build/playground.wasm
	sh docs/playground/build.sh $<
build/playground.wasm: examples/playground.c $(HEADERS)
	@for tool in clang wasm-ld; do command -v $$tool > /dev/null || \
	  { echo "make playground: $$tool is not installed (Debian: clang lld wasi-libc)"; exit 1; }; done
	@echo '#include <stdlib.h>' | clang --target=wasm32-wasi -fsyntax-only -x c - 2> /dev/null || \
	  { echo "make playground: wasi-libc is not installed (Debian: wasi-libc)"; exit 1; }
	$(WASM) $< -lc-printscan-no-floating-point -lc -lm -o $@

# How `make docs` measures and draws; the Makefile includes it. What rivals reach takes scikit-learn and is not
# among it: make build/points && sh docs/rivals.sh

# The tables and figures of the plane are measured again, those of CIFAR-10 made from the tables in docs/.
build/gallery build/points: build/%: docs/%.c $(HEADERS)
	$(COMPILE) -I. $< -o $@ -lm

docs: all build/gallery build/bench_estimator
	FORCE=1 sh docs/results.sh
	sh docs/results.sh --estimator
	sh docs/gallery.sh
	sh docs/images.sh --redraw

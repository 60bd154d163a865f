# How `make test` builds and runs what is in this folder; the Makefile includes it. Each test_NAME.c is a
# program, each NAME.sh a test of the example programs or of the documentation; either leaves what it prints in
# build/NAME.out and ends with a line of counts, which sum.sh adds up.
# What takes longest begins first.
SCRIPTS  = images train_2d header jobs docs fit resume examples playground numbers
LONG     = test_likelihood test_unet test_ops test_grid test_images test_threads test_train test_kernels \
           test_sample test_map
SHORT    = $(filter-out $(LONG),$(patsubst tests/%.c,%,$(wildcard tests/test_*.c)))
TESTS    = $(LONG:%=build/%) $(SHORT:%=build/%)
OUTPUTS  = $(SCRIPTS:%=build/%.out) $(TESTS:=.out)
HEADERS  = itdiff.h $(wildcard examples/support/*.h tests/*.h tests/bench/*.h)

test: $(OUTPUTS)
	@sh tests/sum.sh $(OUTPUTS)
build/test_%.out: build/test_% FORCE
	@$(SETTINGS) $< > $@ 2>&1; echo "exit $$?" >> $@
build/%.out: tests/%.sh all FORCE
	@CC="$(CC)" OPENMP="$(OPENMP)" $(SETTINGS) sh $< > $@ 2>&1; echo "exit $$?" >> $@
build/docs.out build/header.out: build/itdiff.o
FORCE:
# There is a program for each processor already, so each has one thread, unless it asks for more as test_threads
# does. The C library of GNU keeps memory that is freed: programs that ask for the same blocks again and again, as
# tests do, would otherwise get them from the kernel each time.
SETTINGS = OMP_NUM_THREADS=1 OMP_WAIT_POLICY=passive MALLOC_TRIM_THRESHOLD_=1000000000 \
           MALLOC_MMAP_THRESHOLD_=33554432

# The implementation takes longest to compile. It is compiled once, as users compile it: build/itdiff.o. Most
# tests see of it what is public. Those that look inside have an implementation of their own, private to their
# file, and only the kernels from there. Those on faults replace functions that it calls, and have plain loops.
INSIDE   = test_checkpoint test_gaussian test_images test_kernels test_likelihood test_ops test_saved \
           test_threads test_train test_unet
FAULTS   = test_faults test_fuzz test_malformed
OUTSIDE  = $(filter-out $(INSIDE) $(FAULTS),$(TESTS:build/%=%))
PUBLIC   = -DITDIFF_IMPLEMENTED build/itdiff.o
PRIVATE  = -DITDIFF_STATIC -DITD_NO_SIMD -DITD__KERNELS_OF=shared_kernels build/itdiff.o
COMPILE  = $(CC) $(WARN) $(CFLAGS) $(OPENMP)
# Most tests take longer to optimize than to run, but not those that run longest.
OPTIMIZE = -O0
TEST     = $(CC) $(WARN) $(patsubst -O2,$(OPTIMIZE),$(CFLAGS)) $(OPENMP)
$(LONG:%=build/%): OPTIMIZE = -O1
build/test_cifar10 build/test_rng: OPTIMIZE = -O1
build/test_kde: OPTIMIZE = -O2

# With the stack that each function takes, in build/itdiff.su, where the compiler tells it.
STACK    = $(shell $(CC) -Werror -fstack-usage -c build/omp.c -o build/omp.o 2> /dev/null && echo -fstack-usage)
build/itdiff.o: tests/implementation.c itdiff.h examples/support/system.h
	$(COMPILE) $(STACK) -c $< -o $@ 2> build/itdiff.log || { cat build/itdiff.log; exit 1; }
	@cat build/itdiff.log
$(OUTSIDE:%=build/%): build/%: tests/%.c build/itdiff.o $(HEADERS)
	$(TEST) $(PUBLIC) $< -o $@ -lm
$(INSIDE:%=build/%): build/%: tests/%.c build/itdiff.o $(HEADERS)
	$(TEST) $(PRIVATE) $< -o $@ -lm
build/error-bars build/invariants: build/%: tests/extra/%.c $(HEADERS)
	$(COMPILE) $< -o $@ -lm
$(FAULTS:%=build/%): build/%: tests/%.c $(HEADERS) $(wildcard tests/fuzz/*.[ch])
	$(TEST) -DITD_NO_SIMD $< -o $@ -lm

# Where all example programs are wanted for a test, those that are not there yet share it as well.
SUPPORT  = itdiff.h $(wildcard examples/support/*.h)
ifneq ($(filter test %.out,$(MAKECMDGOALS)),)
$(patsubst examples/%.c,build/%,$(wildcard examples/*.c)): build/%: examples/%.c $(SUPPORT) | build/itdiff.o
	$(COMPILE) $(PUBLIC) -I. $< -o $@ -lm
endif

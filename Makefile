# liblrnn. `make help` lists the targets; output goes to $(BUILD).

comma := ,

VERSION_MAJOR := 0
VERSION_MINOR := 2
VERSION_PATCH := 0
VERSION       := $(VERSION_MAJOR).$(VERSION_MINOR).$(VERSION_PATCH)
# Until 1.0 the minor version is part of the soname.
SOVERSION     := $(VERSION_MAJOR).$(VERSION_MINOR)

BUILD   ?= build
PREFIX  ?= /usr/local
LIBDIR  ?= $(PREFIX)/lib
BINDIR  ?= $(PREFIX)/bin
INCLUDEDIR ?= $(PREFIX)/include
MANDIR  ?= $(PREFIX)/share/man
DESTDIR ?=

CFLAGS     ?= -O2 -g

include platform.mk

# ---- BLAS: openblas (default), reference or none ---------------------------------------------------

BLAS ?= $(if $(HOST),none,openblas)
ifeq ($(BLAS),openblas)
BLAS_PC     := openblas
BLAS_CFLAGS := $(shell $(PKG_CONFIG) --cflags openblas 2>/dev/null)
BLAS_LIBS   := $(or $(shell $(PKG_CONFIG) --libs openblas 2>/dev/null),-lopenblas)
BLAS_EXPECT := OpenBLAS
else ifeq ($(BLAS),reference)
# On Debian blas.pc and -lblas mean whatever the alternatives say, when building and when running:
# the folder of the reference library is pinned in both.
BLAS_PC     := $(shell for m in blas-netlib cblas blas; do $(PKG_CONFIG) --exists $$m && echo $$m && break; done)
BLAS_DIR    := $(firstword $(wildcard $(shell $(PKG_CONFIG) --variable=libdir $(BLAS_PC))/blas))
BLAS_CFLAGS := $(shell $(PKG_CONFIG) --cflags $(BLAS_PC))
BLAS_EXPECT := reference
else ifeq ($(BLAS),none)
# The library then needs libc, libm and threads only.
BLAS_CFLAGS := -DLRNN_BLAS=0
BLAS_EXPECT := none
else
$(error BLAS must be openblas, reference or none, not '$(BLAS)')
endif
ifeq ($(BLAS),reference)
BLAS_LIBS   := $(if $(BLAS_DIR),-L$(BLAS_DIR) -Wl$(comma)-rpath$(comma)$(BLAS_DIR) )$(shell $(PKG_CONFIG) --libs $(BLAS_PC))
endif

# ---- parts: the whole library, or less for a small device ------------------------------------------

# Without import (of PyTorch's files), train or decode their functions are missing, and so is the program;
# nothing else changes.
PARTS ?= base text model import train decode
ifneq ($(filter-out base text model import train decode,$(PARTS))$(filter-out $(PARTS),base text model),)
$(error PARTS must be base text model, and any of import, train and decode, not '$(PARTS)')
endif
MISSING := $(filter-out $(PARTS),import train decode)
# What nobody calls is left out of the shared library, and of a program linked with -Wl,--gc-sections.
PARTS_CFLAGS := $(if $(MISSING),-fno-asynchronous-unwind-tables) $(if $(filter train,$(MISSING)),-DLRNN_TRAIN=0) $(if $(filter decode,$(MISSING)),-DLRNN_DECODE=0)
PARTS_LDFLAGS := $(if $(MISSING),-Wl$(comma)--gc-sections$(comma)-z$(comma)noseparate-code)

# The instruction sets, of those below; reference is always there. The last of each line needs the one
# before.
ALL_KERNELS := reference baseline \
               avx2 avx2_vnni \
               avx512 avx512_vnni \
               neon neon_dot
KERNELS ?=
ifneq ($(filter-out $(ALL_KERNELS),$(KERNELS)),)
$(error KERNELS must be some of $(ALL_KERNELS), not '$(KERNELS)')
endif
PARTS_CFLAGS += $(if $(KERNELS),-DLRNN_KERNELS_LISTED $(KERNELS:%=-DLRNN_KERNELS_%=1))

# ---- flags -----------------------------------------------------------------------------------------

WARNINGS := -Wall -Wextra -Wpedantic -Wshadow -Wconversion -Wcast-qual -Wvla -Wmissing-prototypes \
            -Wstrict-prototypes $(PLATFORM_WARNINGS)
ifeq ($(WERROR),1)
WARNINGS += -Werror
endif
SANITIZE ?=
override ALL_CFLAGS = -std=gnu11 $(PLATFORM_CFLAGS) $(WARNINGS) $(CFLAGS) $(SANITIZE)
LIB_CFLAGS = -Iinclude -Ilib $(BLAS_CFLAGS) $(PARTS_CFLAGS) $(LIBRARY_CFLAGS) $(THREADS) $(ALL_CFLAGS) $(LTO_CFLAGS) $(if $(MISSING),-Wno-unused-function)
LIBS       = $(BLAS_LIBS) -lm $(THREADS)

# ---- files -----------------------------------------------------------------------------------------

TOPIC_HEADERS := $(patsubst %,include/lrnn/%.h,$(filter-out import,$(PARTS))) include/lrnn/init.h
LIB_FOLDERS  := base kernels text format model $(filter train decode,$(PARTS))
IMPORT       := lib/model/import% lib/format/pickle% lib/format/torch% lib/format/tensor_file% lib/format/zip%
LIB_SOURCES  := $(filter-out $(OTHER_SYSTEM) $(if $(filter import,$(MISSING)),$(IMPORT)),$(sort $(wildcard $(LIB_FOLDERS:%=lib/%/*.c))))
LIB_OBJECTS  := $(LIB_SOURCES:%.c=$(BUILD)/obj/%.o)
PROGRAM      := $(if $(MISSING),,$(BUILD)/lrnn$(EXE))
PROG_SOURCES := $(filter-out $(OTHER_SYSTEM),$(sort $(wildcard src/*.c)))
PROG_OBJECTS := $(PROG_SOURCES:%.c=$(BUILD)/obj/%.o)
EXAMPLES     := $(patsubst examples/%.c,%,$(sort $(wildcard examples/*.c)))
TESTS        := $(filter-out $(OTHER_TESTS),$(sort $(wildcard tests/unit/*_test.c tests/api/*_test.c \
                  tests/fault/*_test.c tests/fuzz/*_test.c tests/golden/*_test.c)))
TEST_BINARIES := $(TESTS:tests/%.c=$(BUILD)/tests/%$(EXE))
GRADCHECKS   := $(sort $(wildcard tests/gradcheck/*_test.c))
GRADCHECK_BINARIES := $(GRADCHECKS:tests/%.c=$(BUILD)/tests/%$(EXE))
HEADERS      := include/lrnn.h $(TOPIC_HEADERS)

STATIC := $(BUILD)/liblrnn.a
SHARED := $(BUILD)/$(SHARED_NAME)

.DEFAULT_GOAL := all
.DELETE_ON_ERROR:
.SECONDARY:
.PHONY: all demo check check-all lint bench install uninstall dist clean help tests run-tests run-thread-tests fuzz fuzz-seeds mutate run-mutate FORCE

all: $(STATIC) $(SHARED) $(BUILD)/$(LINK_NAME) $(PROGRAM) $(BUILD)/lrnn.pc ## build library and program

# Objects depend on this file, which changes when the compiler or its flags do.
$(BUILD)/config: $(COPIED_HEADERS:/usr/include/%=$(BUILD)/headers/%) FORCE
	@mkdir -p $(@D)
	@echo "$(CC) $(LIB_CFLAGS) | $(LIBS)" | cmp -s - $@ || echo "$(CC) $(LIB_CFLAGS) | $(LIBS)" > $@

$(BUILD)/headers/%.h: /usr/include/%.h
	@mkdir -p $(@D)
	cp $< $@

include lib/kernels/flags.mk

# A program that is linked with -Wl,--gc-sections leaves out what it does not call. Kernels are called
# through tables, which hold all of them.
$(BUILD)/obj/lib/%.o: lib/%.c $(BUILD)/config
	@mkdir -p $(@D)
	$(CC) $(LIB_CFLAGS) $(if $(filter-out lib/kernels/%,$<)$(MISSING),-ffunction-sections -fdata-sections) $(KERNEL_FLAGS_$(<:lib/kernels/%.c=%)) -MMD -MP -c $< -o $@

$(BUILD)/obj/src/%.o: src/%.c $(BUILD)/config
	@mkdir -p $(@D)
	$(CC) -Iinclude $(ALL_CFLAGS) -MMD -MP -c $< -o $@

# The archive that is installed is one object whose internal names are local, so that they cannot meet
# the application's. Tests, which look inside, link the other one.
INTERNAL := $(BUILD)/internal/liblrnn.a

$(INTERNAL): $(LIB_OBJECTS)
	@mkdir -p $(@D)
	rm -f $@
	$(AR) rcs $@ $^

# The exported names, those that the parts have: what Windows' linker and objcopy read of the map.
$(BUILD)/exported: lib/lrnn.map $(LIB_OBJECTS)
	$(NM) -g --defined-only $(LIB_OBJECTS) | sed -n 's/.* T \(lrnn_[a-z0-9_]*\)$$/\1/p' > $@.defined
	sed -n 's/^ *\(lrnn_[a-z0-9_]*\);$$/\1/p' $< | grep -Fxf $@.defined > $@

$(BUILD)/lrnn.def: $(BUILD)/exported
	(echo EXPORTS; cat $<) > $@

$(STATIC): $(LIB_OBJECTS) $(EXPORTED)
	$(PARTIAL_LINK) $(LIB_OBJECTS) -o $(BUILD)/obj/liblrnn.o
	$(LOCALIZE) $(BUILD)/obj/liblrnn.o
	rm -f $@
	$(AR) rcs $@ $(BUILD)/obj/liblrnn.o

$(SHARED): $(LIB_OBJECTS) lib/lrnn.map $(EXPORTED)
	$(CC) $(SHARED_FLAGS) $(CFLAGS) $(PLATFORM_CFLAGS) $(SANITIZE) $(PARTS_LDFLAGS) $(LDFLAGS) $(LIB_OBJECTS) $(LIBS) -o $@

$(BUILD)/$(LINK_NAME): $(SHARED)
	$(if $(SONAME),ln -sf $(SHARED_NAME) $(BUILD)/$(SONAME))
	$(if $(SONAME),ln -sf $(SONAME) $@,touch $@)

$(BUILD)/lrnn$(EXE): $(PROG_OBJECTS) $(STATIC)
	$(CC) $(CFLAGS) $(SANITIZE) $(LDFLAGS) $(PROG_OBJECTS) $(STATIC) $(LIBS) -o $@

# BLAS is named by its flags: openblas.pc would ask a static build for a Fortran run-time library that
# the shared OpenBLAS does not need.
# Made anew each time, since PREFIX may be said when installing. A space in a path has a backslash there.
space := $(subst x,,x x)
in_pc  = $(subst $(space),\\$(space),$(1))
$(BUILD)/lrnn.pc: lrnn.pc.in FORCE
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(call in_pc,$(PREFIX))|g' -e 's|@LIBDIR@|$(call in_pc,$(LIBDIR))|g' \
	    -e 's|@INCLUDEDIR@|$(call in_pc,$(INCLUDEDIR))|g' -e 's|@VERSION@|$(VERSION)|g' \
	    -e 's|@BLAS_LIBS@|$(BLAS_LIBS)|g' $< > $@

# ---- tests -----------------------------------------------------------------------------------------

# OWN_CMOCKA=1: the few macros of our own instead, for machines that have no cmocka.
OWN_CMOCKA ?=
CMOCKA_CFLAGS := $(if $(OWN_CMOCKA),-Itests/support/cmocka)
CMOCKA_LIBS   := $(if $(OWN_CMOCKA),,-lcmocka)
ifeq ($(SYSTEM),windows)
CMOCKA_CFLAGS += -Itests/support/windows -include tests/support/windows/posix.h -Wno-unused-value -Wno-unused-variable
endif

TEST_CFLAGS = $(CMOCKA_CFLAGS) -Iinclude -Ilib -Itests $(BLAS_CFLAGS) $(filter-out -Wmissing-prototypes,$(ALL_CFLAGS)) \
              -pthread -DSOURCE_ROOT='"$(CURDIR)"' -DEXPECT_BLAS='"$(BLAS_EXPECT)"'

$(BUILD)/tests/%$(EXE): tests/%.c $(INTERNAL)
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -MMD -MP -MF $@.d $< $(filter %.o,$^) $(INTERNAL) $(LDFLAGS) $(LIBS) $(CMOCKA_LIBS) -o $@

# What the public headers declare, for the test that calls it all.
$(BUILD)/tests/declared.h: tests/support/declared.awk $(HEADERS)
	@mkdir -p $(@D)
	awk -f tests/support/declared.awk $(HEADERS) > $@

DECLARED_TEST := $(BUILD)/tests/api/declared_test$(EXE) $(BUILD)/objects/api/declared_test.o
$(DECLARED_TEST): TEST_CFLAGS += -I$(BUILD)/tests
$(DECLARED_TEST): $(BUILD)/tests/declared.h

# The fuzz test of a checkpoint's note is a test of the program: it includes train.c, which has the
# table of options, and links the other sources.
NOTE_OBJECTS := $(filter-out %/main.o %/train.o,$(PROG_OBJECTS))
$(BUILD)/tests/fuzz/note_test$(EXE) $(BUILD)/targets/note: $(NOTE_OBJECTS)

# Targets for libFuzzer; tests/fuzz/run builds the library for them.
$(BUILD)/targets/%: tests/fuzz/%_test.c $(INTERNAL)
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -DLRNN_LIBFUZZER -fsanitize=fuzzer -MMD -MP -MF $@.d $< $(filter %.o,$^) $(INTERNAL) \
	    $(LDFLAGS) $(LIBS) -o $@

# The same library in double precision, for gradient checks; never installed. Public headers are
# copied with float replaced by double, and public symbols are renamed.
DOUBLE         := $(BUILD)/double
DOUBLE_OBJECTS := $(LIB_SOURCES:lib/%.c=$(DOUBLE)/obj/%.o)
DOUBLE_HEADERS := $(HEADERS:%=$(DOUBLE)/%)
DOUBLE_FLAGS   = -DLRNN_REAL=double -I$(DOUBLE)/include -Ilib -include $(DOUBLE)/rename.h

$(DOUBLE)/include/%.h: include/%.h
	@mkdir -p $(@D)
	sed 's/\bfloat\b/double/g' $< > $@

# Macros cannot be renamed by macros.
$(DOUBLE)/include/lrnn/init.h: include/lrnn/init.h
	@mkdir -p $(@D)
	: > $@

$(DOUBLE)/rename.h: $(HEADERS)
	@mkdir -p $(@D)
	sed -n 's/^LRNN_API .*[ *]\(lrnn_[a-z0-9_]*\)(.*/#define \1 double_\1/p' $(HEADERS) > $@

$(DOUBLE)/obj/%.o: lib/%.c $(DOUBLE_HEADERS) $(DOUBLE)/rename.h $(BUILD)/config
	@mkdir -p $(@D)
	$(CC) $(DOUBLE_FLAGS) $(BLAS_CFLAGS) $(filter-out -fPIC,$(LIBRARY_CFLAGS)) $(THREADS) $(ALL_CFLAGS) \
	    $(KERNEL_FLAGS_$(<:lib/kernels/%.c=%)) -MMD -MP -c $< -o $@

$(DOUBLE)/liblrnn_double.a: $(DOUBLE_OBJECTS)
	rm -f $@
	$(AR) rcs $@ $^

$(BUILD)/tests/gradcheck/%$(EXE): tests/gradcheck/%.c $(DOUBLE)/liblrnn_double.a
	@mkdir -p $(@D)
	$(CC) $(CMOCKA_CFLAGS) $(DOUBLE_FLAGS) -Itests $(filter-out -Wmissing-prototypes,$(ALL_CFLAGS)) \
	    -MMD -MP -MF $@.d $< $(DOUBLE)/liblrnn_double.a $(LDFLAGS) $(LIBS) $(CMOCKA_LIBS) -o $@

SHELL_TESTS := $(if $(PROGRAM),"tests/program/run.sh $(BUILD)/lrnn") "tests/abi/run.sh $(BUILD)" \
               $(wildcard tests/install/run.sh)

tests: all $(TEST_BINARIES) $(GRADCHECK_BINARIES)

run-tests: tests
	BUILD=$(BUILD) tests/run $(TEST_BINARIES) $(GRADCHECK_BINARIES)

THREAD_TESTS := $(filter-out %/declared_test,$(filter %/base_pool_test %/text_vocab_test $(BUILD)/tests/api/%,$(TEST_BINARIES)))
run-thread-tests: $(THREAD_TESTS)
	tests/run $(THREAD_TESTS)

check: tests ## the daily loop: unit, api, golden, gradient, program and install tests
	BUILD=$(BUILD) MAKE="$(MAKE)" tests/run $(TEST_BINARIES) $(GRADCHECK_BINARIES) \
	    $(SHELL_TESTS)

check-all: check ## check, then both BLAS, clang, every instruction set, sanitizers, valgrind, fuzz
	MAKE="$(MAKE)" BUILD=$(BUILD) tests/check-all

SECONDS ?= 60
FUZZ    ?=
fuzz: ## libFuzzer (clang), SECONDS=60 for each target of tests/fuzz; FUZZ=name: that one
	MAKE="$(MAKE)" BUILD=$(BUILD) tests/fuzz/run $(SECONDS) $(FUZZ)

fuzz-seeds: $(STATIC) # rewrites the seeds that are files of this library
	$(CC) -Iinclude $(ALL_CFLAGS) tests/fuzz/seeds.c $(STATIC) $(LDFLAGS) $(LIBS) -o $(BUILD)/fuzz-seeds
	$(BUILD)/fuzz-seeds

# A build of its own, without debugging information, whose objects the mutants are linked with.
MUTATE_LIST  ?= tests/mutate/list
MUTATE_TESTS := $(sort $(filter gradcheck/% unit/% api/% fault/% fuzz/%,$(shell grep '^[@!] ' $(MUTATE_LIST) 2>/dev/null)))

mutate: ## break the library on purpose and see that tests notice; MUTATE=pattern JOBS=n FRESH=1
	@$(MAKE) -s BUILD=$(BUILD)/mutate CFLAGS=-O2 run-mutate

run-mutate: $(INTERNAL) $(DOUBLE)/liblrnn_double.a $(MUTATE_TESTS:%=$(BUILD)/objects/%.o)
	@LIST='$(MUTATE_LIST)' BUILD='$(BUILD)' CC='$(CC)' LIB_CFLAGS='$(LIB_CFLAGS)' LIBS='$(LDFLAGS) $(LIBS)' \
	    DOUBLE_FLAGS='$(DOUBLE_FLAGS)' TEST_FLAGS='$(CMOCKA_CFLAGS) $(BLAS_CFLAGS) $(ALL_CFLAGS)' \
	    $(foreach set,avx2 avx2_vnni avx512 avx512_vnni,KERNEL_FLAGS_$(set)='$(KERNEL_FLAGS_$(set))') tests/mutate/run

$(BUILD)/objects/gradcheck/%.o: tests/gradcheck/%.c $(DOUBLE_HEADERS) $(DOUBLE)/rename.h
	@mkdir -p $(@D)
	$(CC) $(CMOCKA_CFLAGS) $(DOUBLE_FLAGS) -Itests $(filter-out -Wmissing-prototypes,$(ALL_CFLAGS)) -MMD -MP -c $< -o $@

$(BUILD)/objects/%.o: tests/%.c $(BUILD)/config
	@mkdir -p $(@D)
	$(CC) $(TEST_CFLAGS) -MMD -MP -c $< -o $@

lint: all ## layers, formatting, exported symbols, headers alone as C99 and C++11
	BUILD=$(BUILD) scripts/lint

bench: all ## our numbers, and the peers' where they are installed
	BUILD=$(BUILD) bench/run

# ---- several processes: liblrnn-mpi, lrnn-mpi ----

include mpi.mk

# ---- the demonstration -----------------------------------------------------------------------------

TEXT ?=
demo: $(BUILD)/lrnn ## train a character LSTM for about a minute and let it write
	LRNN=$(BUILD)/lrnn scripts/demo $(BUILD)/demo $(TEXT)

# ---- installing ------------------------------------------------------------------------------------

# The umbrella includes what there is.
$(BUILD)/lrnn.h: include/lrnn.h $(BUILD)/config
	@sed $(foreach part,$(MISSING),-e '/^#include "lrnn\/$(part)\.h"$$/d') -e '' $< > $@

install: all $(BUILD)/lrnn.h ## into $(DESTDIR)$(PREFIX)
	$(INSTALL) -d '$(DESTDIR)$(LIBDIR)/pkgconfig' '$(DESTDIR)$(INCLUDEDIR)/lrnn' '$(DESTDIR)$(BINDIR)' \
	    '$(DESTDIR)$(MANDIR)/man1'
	$(INSTALL) -m 644 $(STATIC) '$(DESTDIR)$(LIBDIR)/'
	$(INSTALL) -m 755 $(SHARED) '$(DESTDIR)$(SHARED_DIR)/'
	$(if $(SONAME),ln -sf $(SHARED_NAME) '$(DESTDIR)$(LIBDIR)/$(SONAME)')
	$(if $(SONAME),ln -sf $(SONAME) '$(DESTDIR)$(LIBDIR)/$(LINK_NAME)',$(INSTALL) -m 644 $(BUILD)/$(LINK_NAME) '$(DESTDIR)$(LIBDIR)/')
	$(INSTALL) -m 644 $(BUILD)/lrnn.pc '$(DESTDIR)$(LIBDIR)/pkgconfig/'
	$(INSTALL) -m 644 $(BUILD)/lrnn.h '$(DESTDIR)$(INCLUDEDIR)/'
	$(INSTALL) -m 644 $(TOPIC_HEADERS) '$(DESTDIR)$(INCLUDEDIR)/lrnn/'
	$(if $(PROGRAM),$(INSTALL) -m 755 $(PROGRAM) '$(DESTDIR)$(BINDIR)/')
	$(if $(wildcard docs/lrnn.1),$(INSTALL) -m 644 docs/lrnn.1 '$(DESTDIR)$(MANDIR)/man1/')

uninstall: ## remove what install put there
	@cd '$(DESTDIR)$(LIBDIR)' 2> /dev/null && \
	    rm -f liblrnn.a $(LINK_NAME) $(SONAME) $(SHARED_NAME) pkgconfig/lrnn.pc || true
	@rm -f '$(DESTDIR)$(SHARED_DIR)/$(SHARED_NAME)'
	@cd '$(DESTDIR)$(INCLUDEDIR)' 2> /dev/null && rm -f lrnn.h $(TOPIC_HEADERS:include/%=%) || true
	@rm -f '$(DESTDIR)$(BINDIR)/lrnn$(EXE)' '$(DESTDIR)$(MANDIR)/man1/lrnn.1'
	@rmdir '$(DESTDIR)$(INCLUDEDIR)/lrnn' 2> /dev/null || true

dist: ## a source archive of the committed tree
	@mkdir -p $(BUILD)
	git archive --format=tar.gz --prefix=lrnn-$(VERSION)/ -o $(BUILD)/lrnn-$(VERSION).tar.gz HEAD
	@echo $(BUILD)/lrnn-$(VERSION).tar.gz

clean: ## remove the build folder
	rm -rf $(BUILD)

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/\1|\2/p' Makefile mpi.mk | while IFS='|' read -r t d; do \
	    printf '  %-10s %s\n' "$$t" "$$d"; done
	@echo 'Variables: BLAS=openblas|reference|none CC HOST CFLAGS PARTS KERNELS PREFIX LIBDIR DESTDIR BUILD WERROR=1 TEXT (demo)'

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# liblrnn-mpi and lrnn-mpi: built by `make mpi` alone, so that nothing else needs MPI (scripts/setup --mpi).

MPICC  ?= mpicc
MPI_PC ?= $(firstword $(foreach m,ompi-c mpich mpi-c,$(shell $(PKG_CONFIG) --exists $m 2> /dev/null && echo $m)))

MPI_SOURCES := $(sort $(wildcard lib-mpi/*.c))
MPI_OBJECTS := $(MPI_SOURCES:%.c=$(BUILD)/obj/%.o)
MPI_STATIC  := $(BUILD)/liblrnn-mpi.a
MPI_SONAME  := liblrnn-mpi.so.$(SOVERSION)
MPI_SHARED  := $(BUILD)/liblrnn-mpi.so.$(VERSION)
MPI_CFLAGS  = -Iinclude -Ilib -fPIC -fvisibility=hidden $(ALL_CFLAGS)

# The program is that of src/, with ranks instead of one process alone.
MPI_PROG_OBJECTS := $(filter-out %/workers.o,$(PROG_OBJECTS)) $(BUILD)/obj/src/mpi/workers.o

MPI_TESTS := $(patsubst tests/%.c,$(BUILD)/tests/%,$(sort $(wildcard tests/mpi/*.c)))

.PHONY: mpi mpi-tests check-mpi install-mpi uninstall-mpi

ifneq ($(filter train decode import,$(MISSING)),)
mpi: ; $(error make mpi: needs all PARTS)
endif

mpi: all $(MPI_STATIC) $(BUILD)/liblrnn-mpi.so $(BUILD)/lrnn-mpi $(BUILD)/lrnn-mpi.pc ## build liblrnn-mpi and lrnn-mpi; needs MPI

$(BUILD)/obj/lib-mpi/%.o: lib-mpi/%.c $(BUILD)/config
	@mkdir -p $(@D)
	$(MPICC) $(MPI_CFLAGS) -MMD -MP -c $< -o $@

$(BUILD)/obj/src/mpi/%.o: src/mpi/%.c $(BUILD)/config
	@mkdir -p $(@D)
	$(MPICC) -Iinclude -Isrc $(ALL_CFLAGS) -MMD -MP -c $< -o $@

$(MPI_STATIC): $(MPI_OBJECTS)
	$(PARTIAL_LINK) $^ -o $(BUILD)/obj/liblrnn-mpi.o
	$(LOCALIZE) $(BUILD)/obj/liblrnn-mpi.o
	rm -f $@
	$(AR) rcs $@ $(BUILD)/obj/liblrnn-mpi.o

$(MPI_SHARED): $(MPI_OBJECTS) lib-mpi/lrnn-mpi.map $(BUILD)/$(LINK_NAME)
	$(MPICC) -shared -Wl,-soname,$(MPI_SONAME) -Wl,--version-script=lib-mpi/lrnn-mpi.map \
	    $(if $(SANITIZE),,-Wl$(comma)--no-undefined) $(CFLAGS) $(SANITIZE) $(LDFLAGS) $(MPI_OBJECTS) \
	    -L$(BUILD) -llrnn -o $@

$(BUILD)/liblrnn-mpi.so: $(MPI_SHARED)
	ln -sf $(notdir $(MPI_SHARED)) $(BUILD)/$(MPI_SONAME)
	ln -sf $(MPI_SONAME) $@

$(BUILD)/lrnn-mpi: $(MPI_PROG_OBJECTS) $(MPI_STATIC) $(STATIC)
	$(MPICC) $(CFLAGS) $(SANITIZE) $(LDFLAGS) $(MPI_PROG_OBJECTS) $(MPI_STATIC) $(STATIC) $(LIBS) -o $@

$(BUILD)/lrnn-mpi.pc: lrnn-mpi.pc.in FORCE
	@mkdir -p $(@D)
	@sed -e 's|@PREFIX@|$(call in_pc,$(PREFIX))|g' -e 's|@LIBDIR@|$(call in_pc,$(LIBDIR))|g' \
	    -e 's|@INCLUDEDIR@|$(call in_pc,$(INCLUDEDIR))|g' -e 's|@VERSION@|$(VERSION)|g' \
	    -e 's|@MPI_PC@|$(MPI_PC)|g' $< > $@

# They look inside the library.
$(BUILD)/tests/mpi/%: tests/mpi/%.c $(MPI_OBJECTS) $(INTERNAL)
	@mkdir -p $(@D)
	$(MPICC) $(TEST_CFLAGS) -Ilib-mpi -MMD -MP -MF $@.d $< $(MPI_OBJECTS) $(INTERNAL) $(LDFLAGS) $(LIBS) -lcmocka -o $@

mpi-tests: mpi $(MPI_TESTS)

check-mpi: mpi-tests ## the tests of both, on 1 to 32 ranks of this machine
	BUILD=$(BUILD) tests/mpi/run.sh

install-mpi: install mpi ## install, and what `make mpi` built
	$(INSTALL) -m 644 $(MPI_STATIC) '$(DESTDIR)$(LIBDIR)/'
	$(INSTALL) -m 755 $(MPI_SHARED) '$(DESTDIR)$(LIBDIR)/'
	ln -sf $(notdir $(MPI_SHARED)) '$(DESTDIR)$(LIBDIR)/$(MPI_SONAME)'
	ln -sf $(MPI_SONAME) '$(DESTDIR)$(LIBDIR)/liblrnn-mpi.so'
	$(INSTALL) -m 644 $(BUILD)/lrnn-mpi.pc '$(DESTDIR)$(LIBDIR)/pkgconfig/'
	$(INSTALL) -m 644 include/lrnn-mpi.h '$(DESTDIR)$(INCLUDEDIR)/'
	$(INSTALL) -m 755 $(BUILD)/lrnn-mpi '$(DESTDIR)$(BINDIR)/'
	$(INSTALL) -m 644 docs/lrnn-mpi.1 '$(DESTDIR)$(MANDIR)/man1/'

uninstall-mpi: uninstall ## remove what install-mpi put there
	@cd '$(DESTDIR)$(LIBDIR)' 2> /dev/null && rm -f liblrnn-mpi.a liblrnn-mpi.so $(MPI_SONAME) \
	    $(notdir $(MPI_SHARED)) pkgconfig/lrnn-mpi.pc || true
	@rm -f '$(DESTDIR)$(INCLUDEDIR)/lrnn-mpi.h' '$(DESTDIR)$(BINDIR)/lrnn-mpi' \
	    '$(DESTDIR)$(MANDIR)/man1/lrnn-mpi.1'

# For docs/scale.md.
$(BUILD)/bench/scale: bench/scale.c $(MPI_STATIC) $(STATIC)
	@mkdir -p $(@D)
	$(MPICC) -Iinclude $(ALL_CFLAGS) $< $(MPI_STATIC) $(STATIC) $(LDFLAGS) $(LIBS) -o $@

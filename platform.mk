# The machine that is built for, and what its tools and libraries are called. CC says which machine:
#   make HOST=aarch64-linux-gnu        (its gcc, and no CBLAS unless BLAS= names one)
#   make CC=aarch64-linux-gnu-clang BLAS=none

HOST ?=
ifeq ($(origin CC),default)
CC := $(if $(HOST),$(HOST)-gcc,cc)
endif
MACHINE := $(shell $(CC) -dumpmachine)

# The other tools of the same compiler, where there are such: aarch64-linux-gnu-objcopy.
TOOLS := $(if $(HOST),$(HOST)-,$(notdir $(patsubst %gcc,%,$(patsubst %clang,%,$(lastword $(filter %-gcc %-clang,$(CC)))))))
tool   = $(if $(shell command -v $(TOOLS)$(1) 2> /dev/null),$(TOOLS)$(1),$(1))
ifeq ($(origin AR),default)
AR := $(call tool,ar)
endif
OBJCOPY    ?= $(call tool,objcopy)
NM         ?= $(call tool,nm)
PKG_CONFIG ?= $(call tool,pkg-config)
INSTALL    ?= install

SYSTEM := $(if $(findstring darwin,$(MACHINE)),darwin,$(if $(findstring mingw,$(MACHINE)),windows,unix))
# Sources that end so stand behind the walls between us and another system.
ifeq ($(SYSTEM),windows)
OTHER_SYSTEM := %_posix.c
# Tests of what only POSIX has: signals and their masks, memory without access, fsync that fails, files of
# the POSIX side, a stream over memory, a BLAS that is looked for.
OTHER_TESTS := tests/api/blas_test.c tests/api/declared_test.c tests/api/process_test.c tests/fault/sync_test.c \
               tests/fuzz/note_test.c tests/unit/format_atomic_file_named_test.c
else
OTHER_SYSTEM := %_windows.c
OTHER_TESTS  := %_windows_test.c
endif
CLANG  := $(shell $(CC) --version 2> /dev/null | grep -q clang && echo yes)

# ---- what code is compiled with, wherever it runs ----

# Offsets in files are 64 bits wide on 32-bit systems too. Objects do not know the folder they were
# compiled in.
PLATFORM_CFLAGS := -D_FILE_OFFSET_BITS=64 -ffile-prefix-map='$(CURDIR)'=.

# Machines that have vector kernels multiply and add at once where they can; the plain kernels of all
# others have the same bits everywhere.
PLATFORM_CFLAGS += -ffp-contract=$(if $(filter x86_64% amd64% aarch64% arm64%,$(MACHINE)),fast,off)

# Windows: the C library's printf knows no %zu, that of mingw-w64 does. Objects that stand anywhere are
# made anyway, and threads are the system's.
ifeq ($(SYSTEM),windows)
PLATFORM_CFLAGS += -D__USE_MINGW_ANSI_STDIO=1 -D_WIN32_WINNT=0x0601
# Its isfinite is a macro that names every type.
PLATFORM_WARNINGS := -Wno-float-conversion
EXE             := .exe
else
LIBRARY_CFLAGS  := -fPIC -fvisibility=hidden
THREADS         := -pthread
endif

# Single precision that is rounded at each operation: the x87 does not do that.
ifneq ($(filter i386% i486% i586% i686%,$(MACHINE))$(filter -m32,$(CC) $(CFLAGS)),)
PLATFORM_CFLAGS += -msse2 -mfpmath=sse
endif

# Link-time optimization, if CFLAGS ask for it. gcc: objects can be read without its plugin too, and the
# archive is compiled when it is made. clang makes no such object: the library is compiled without, and a
# program around it may still be compiled with.
LTO := $(filter -flto -flto=%,$(CFLAGS))
ifneq ($(LTO),)
LTO_CFLAGS  := $(if $(CLANG),-fno-lto,-ffat-lto-objects)
LTO_PARTIAL := $(if $(CLANG),-fno-lto,-flinker-output=nolto-rel)
endif

# jsmn and xxHash are headers alone and the same for every machine: for a compiler that does not look
# where they are installed they are copied.
ifneq ($(shell printf '\043include <jsmn.h>\n\043include <xxhash.h>\n' | $(CC) $(CFLAGS) -E -x c - > /dev/null 2>&1 || echo missing),)
COPIED_HEADERS := $(wildcard /usr/include/jsmn.h /usr/include/xxhash.h)
PLATFORM_CFLAGS += $(if $(COPIED_HEADERS),-I$(BUILD)/headers)
endif

# ---- libraries ----

ifeq ($(SYSTEM),darwin)
SHARED_NAME  := liblrnn.$(VERSION).dylib
SONAME       := liblrnn.$(SOVERSION).dylib
LINK_NAME    := liblrnn.dylib
SHARED_FLAGS = -dynamiclib -install_name '$(LIBDIR)/$(SONAME)' -compatibility_version $(SOVERSION) \
               -current_version $(VERSION)
else ifeq ($(SYSTEM),windows)
# The library beside the program that needs it, and what a program is linked with. No name of the C
# compiler's own libraries is needed where the program runs, and no time stands in the file.
SHARED_NAME  := lrnn.dll
LINK_NAME    := liblrnn.dll.a
SHARED_DIR    = $(BINDIR)
EXPORTED      = $(BUILD)/exported $(BUILD)/lrnn.def
SHARED_FLAGS = -shared -static-libgcc -Wl,--no-insert-timestamp -Wl,--out-implib,$(BUILD)/$(LINK_NAME) $(BUILD)/lrnn.def
else
SHARED_NAME  := liblrnn.so.$(VERSION)
SONAME       := liblrnn.so.$(SOVERSION)
LINK_NAME    := liblrnn.so
SHARED_FLAGS = -shared -Wl,-soname,$(SONAME) -Wl,--version-script=lib/lrnn.map $(if $(SANITIZE),,-Wl,--no-undefined)
endif

SHARED_DIR ?= $(LIBDIR)

# One object of all objects, in which hidden names are local. macOS' linker makes them local by itself.
# On i386 functions come in groups that several objects share, and a name of a group can be made local only
# when the group has been taken apart.
GROUPS_APART = $(shell echo | $(CC) -r -nostdlib -Wl,--force-group-allocation -x c - -o /dev/null 2> /dev/null && \
                 echo -Wl,--force-group-allocation)
PARTIAL_LINK = $(CC) $(CFLAGS) $(PLATFORM_CFLAGS) $(LTO_PARTIAL) -r -nostdlib $(GROUPS_APART)
# Windows knows no hidden names: the map says which ones are not.
LOCALIZE_darwin  = :
LOCALIZE_windows = $(OBJCOPY) --keep-global-symbols=$(BUILD)/exported
LOCALIZE_unix    = $(OBJCOPY) --localize-hidden
LOCALIZE         = $(LOCALIZE_$(SYSTEM))

# What lib/kernels/<name>.c is compiled with, besides the flags of all files. Aligned loops: those
# over pairs of bfloat16 take 7 % longer where they begin anywhere.
ifneq ($(filter x86_64% amd64%,$(MACHINE)),)
KERNEL_FLAGS_avx2   = -mavx2 -mfma -falign-loops=32
KERNEL_FLAGS_avx2_vnni = $(KERNEL_FLAGS_avx2) -mavxvnni
KERNEL_FLAGS_avx512 = -mavx512f -mavx512vl -mavx512dq -mavx512bw -mfma -mprefer-vector-width=512
KERNEL_FLAGS_avx512_vnni = $(KERNEL_FLAGS_avx512) -mavx512vnni
endif
# On Windows the stack is aligned to 16 bytes, and gcc may keep wider vectors there as if it were aligned
# to theirs (its bug 54412; that of Debian is mended): the assembler makes such moves unaligned ones.
ifeq ($(SYSTEM)$(CLANG),windows)
$(foreach name,avx2 avx2_vnni avx512 avx512_vnni,$(eval KERNEL_FLAGS_$(name) += -Wa,-muse-unaligned-vector-move))
endif
ifneq ($(filter aarch64% arm64%,$(MACHINE)),)
KERNEL_FLAGS_neon_dot = -march=armv8.2-a+dotprod
endif

# A library that is to be small (CFLAGS=-Os) has fast kernels all the same, but not those that do what
# others do too: of a small layer's steps (fast_run.h).
ifneq ($(filter -Os -Oz,$(CFLAGS)),)
PARTS_CFLAGS += -DLRNN_SMALL=1
$(foreach name,baseline avx2 avx2_vnni avx512 avx512_vnni neon neon_dot,$(eval KERNEL_FLAGS_$(name) += -O2 -falign-functions=1))
endif

# What lib/kernels/<name>.c is compiled with, besides the flags of all files.
ifneq ($(filter x86_64% amd64%,$(shell $(CC) -dumpmachine)),)
KERNEL_FLAGS_avx2   = -mavx2 -mfma
KERNEL_FLAGS_avx512 = -mavx512f -mavx512vl -mavx512dq -mavx512bw -mfma -mprefer-vector-width=512
endif

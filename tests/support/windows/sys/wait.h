/* Windows has none: see posix.h. */

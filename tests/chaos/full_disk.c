/* A folder whose disk is full while a file exists: for where no tmpfs can be mounted (tests/chaos/shim.py).
 *
 * Preloaded (LD_PRELOAD). While FULL_DISK_FLAG exists, each call that would take more room below FULL_DISK_FOLDER (an
 * absolute path without links) fails with ENOSPC; all else goes to the C library untouched. As on a real full disk,
 * room that a file has already may be written: what was reserved, what is overwritten, the end of its last page. A
 * write that begins there and goes on beyond is cut short; the next one fails. Nothing here allocates or locks. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <unistd.h>

#define PAGE 4096
#define MOST_PARTS 1024
#define AT_ITS_PLACE -1
#define ANY LLONG_MAX

/* The next function of this name, looked up once; a race only looks it up twice. */
#define NEXT(type, name, ...)                                                                                          \
    static type (*next)(__VA_ARGS__);                                                                                  \
    if (!next)                                                                                                         \
        next = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static int is_full(void) {
    const char *flag = getenv("FULL_DISK_FLAG");
    return flag && *flag && faccessat(AT_FDCWD, flag, F_OK, 0) == 0;
}

static int is_below(const char *path) {
    const char *folder = getenv("FULL_DISK_FOLDER");
    size_t length = folder ? strlen(folder) : 0;
    return length && strncmp(path, folder, length) == 0 && (path[length] == '/' || path[length] == 0);
}

static int path_of(int file, char *path) {
    char link[40];
    ssize_t length;
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    length = readlink(link, path, PATH_MAX - 1);
    if (length < 0)
        return 0;
    path[length] = 0;
    return 1;
}

/* Whether a name that does not exist yet would be below the folder: its parent is what can be resolved. */
static int would_be_new(int folder, const char *name) {
    static const int look = AT_SYMLINK_NOFOLLOW;
    char whole[2 * PATH_MAX], real[PATH_MAX], *slash;
    struct stat seen;
    size_t length;
    if (fstatat(folder, name, &seen, look) == 0)
        return 0;
    if (name[0] == '/' || folder == AT_FDCWD)
        snprintf(whole, sizeof whole, "%s%s", name[0] == '/' ? "" : "./", name);
    else if (path_of(folder, real))
        snprintf(whole, sizeof whole, "%s/%s", real, name);
    else
        return 0;
    for (length = strlen(whole); length > 1 && whole[length - 1] == '/'; length--)
        whole[length - 1] = 0;
    slash = strrchr(whole, '/');
    if (slash)
        slash[slash == whole] = 0;
    return realpath(whole, real) && is_below(real);
}

/* How many bytes may be written from there on (AT_ITS_PLACE: where the file stands); ANY: it is not ours to say. */
static long long room(int file, long long offset) {
    char path[PATH_MAX];
    struct stat seen;
    long long has, blocks;
    if (!is_full() || fstat(file, &seen) != 0 || !S_ISREG(seen.st_mode) || !path_of(file, path) || !is_below(path))
        return ANY;
    if (offset == AT_ITS_PLACE)
        offset = fcntl(file, F_GETFL) & O_APPEND ? seen.st_size : lseek(file, 0, SEEK_CUR);
    has = ((long long)seen.st_size + PAGE - 1) / PAGE * PAGE;
    blocks = (long long)seen.st_blocks * 512;
    has = blocks > has ? blocks : has;
    return has > offset ? has - offset : 0;
}

/* Leaves errno as it is. */
static long long ask_room(int file, long long offset) {
    int before = errno;
    long long left = room(file, offset);
    errno = before;
    return left;
}

static int refuse(void) {
    errno = ENOSPC;
    return -1;
}

/* Names: open, mkdir. What exists already takes no room. */

static int is_made(int flags) {
    return (flags & O_CREAT) || (flags & O_TMPFILE) == O_TMPFILE;
}

static int is_refused(int folder, const char *name, int flags) {
    char real[PATH_MAX];
    int before = errno, refused = 0;
    if (is_made(flags) && is_full())
        refused = (flags & O_CREAT) ? would_be_new(folder, name) : realpath(name, real) && is_below(real);
    errno = before;
    return refused;
}

#define MODE(flags)                                                                                                    \
    mode_t mode = 0;                                                                                                   \
    if (is_made(flags)) {                                                                                              \
        va_list more;                                                                                                  \
        va_start(more, flags);                                                                                         \
        mode = va_arg(more, unsigned int);                                                                             \
        va_end(more);                                                                                                  \
    }

#define OPEN(name)                                                                                                     \
    int name(const char *path, int flags, ...) {                                                                       \
        NEXT(int, #name, const char *, int, ...);                                                                      \
        MODE(flags)                                                                                                    \
        return is_refused(AT_FDCWD, path, flags) ? refuse() : next(path, flags, mode);                                 \
    }
OPEN(open)
OPEN(open64)

#define OPENAT(name)                                                                                                   \
    int name(int folder, const char *path, int flags, ...) {                                                           \
        NEXT(int, #name, int, const char *, int, ...);                                                                 \
        MODE(flags)                                                                                                    \
        return is_refused(folder, path, flags) ? refuse() : next(folder, path, flags, mode);                           \
    }
OPENAT(openat)
OPENAT(openat64)

#define CREAT(name)                                                                                                    \
    int name(const char *path, mode_t mode) {                                                                          \
        NEXT(int, #name, const char *, mode_t);                                                                        \
        return is_refused(AT_FDCWD, path, O_CREAT) ? refuse() : next(path, mode);                                      \
    }
CREAT(creat)
CREAT(creat64)

int mkdir(const char *path, mode_t mode) {
    NEXT(int, "mkdir", const char *, mode_t);
    return is_refused(AT_FDCWD, path, O_CREAT) ? refuse() : next(path, mode);
}

int mkdirat(int folder, const char *path, mode_t mode) {
    NEXT(int, "mkdirat", int, const char *, mode_t);
    return is_refused(folder, path, O_CREAT) ? refuse() : next(folder, path, mode);
}

/* Bytes: as many as there is room for; ENOSPC when there is none for the first. */

static size_t clip(size_t size, long long left) {
    return (long long)size > left ? (size_t)left : size;
}

static int is_none(long long left, long long wanted) {
    return left == 0 && wanted > 0;
}

ssize_t write(int file, const void *data, size_t size) {
    NEXT(ssize_t, "write", int, const void *, size_t);
    long long left = ask_room(file, AT_ITS_PLACE);
    return is_none(left, size) ? refuse() : next(file, data, clip(size, left));
}

#define PWRITE(name, offset_type)                                                                                      \
    ssize_t name(int file, const void *data, size_t size, offset_type offset) {                                        \
        NEXT(ssize_t, #name, int, const void *, size_t, offset_type);                                                  \
        long long left = ask_room(file, offset);                                                                       \
        return is_none(left, size) ? refuse() : next(file, data, clip(size, left), offset);                            \
    }
PWRITE(pwrite, off_t)
PWRITE(pwrite64, off64_t)

static long long sum(const struct iovec *parts, int count) {
    long long size = 0;
    int number;
    for (number = 0; number < count; number++)
        size += parts[number].iov_len;
    return size;
}

/* The parts that fit, the last one shortened; gives how many. */
static int clip_parts(const struct iovec *parts, int count, long long left, struct iovec *fitting) {
    int number;
    for (number = 0; number < count && left > 0; number++) {
        fitting[number] = parts[number];
        fitting[number].iov_len = clip(parts[number].iov_len, left);
        left -= fitting[number].iov_len;
    }
    return number;
}

#define PARTS(file, offset)                                                                                            \
    struct iovec fitting[MOST_PARTS];                                                                                  \
    long long size = count > 0 && count <= MOST_PARTS ? sum(parts, count) : 0;                                         \
    long long left = ask_room(file, offset);                                                                           \
    if (is_none(left, size))                                                                                           \
        return refuse();                                                                                               \
    if (size > left) {                                                                                                 \
        count = clip_parts(parts, count, left, fitting);                                                               \
        parts = fitting;                                                                                               \
    }

ssize_t writev(int file, const struct iovec *parts, int count) {
    NEXT(ssize_t, "writev", int, const struct iovec *, int);
    PARTS(file, AT_ITS_PLACE)
    return next(file, parts, count);
}

#define PWRITEV(name, offset_type)                                                                                     \
    ssize_t name(int file, const struct iovec *parts, int count, offset_type offset) {                                 \
        NEXT(ssize_t, #name, int, const struct iovec *, int, offset_type);                                             \
        PARTS(file, offset)                                                                                            \
        return next(file, parts, count, offset);                                                                       \
    }
PWRITEV(pwritev, off_t)
PWRITEV(pwritev64, off64_t)

#define PWRITEV2(name, offset_type)                                                                                    \
    ssize_t name(int file, const struct iovec *parts, int count, offset_type offset, int flags) {                      \
        NEXT(ssize_t, #name, int, const struct iovec *, int, offset_type, int);                                        \
        PARTS(file, offset)                                                                                            \
        return next(file, parts, count, offset, flags);                                                                \
    }
PWRITEV2(pwritev2, off_t)
PWRITEV2(pwritev64v2, off64_t)

/* From file to file, inside the kernel. */

#define SENDFILE(name, offset_type)                                                                                    \
    ssize_t name(int to, int from, offset_type *offset, size_t size) {                                                 \
        NEXT(ssize_t, #name, int, int, offset_type *, size_t);                                                         \
        long long left = ask_room(to, AT_ITS_PLACE);                                                                   \
        return is_none(left, size) ? refuse() : next(to, from, offset, clip(size, left));                              \
    }
SENDFILE(sendfile, off_t)
SENDFILE(sendfile64, off64_t)

ssize_t copy_file_range(int from, off64_t *start, int to, off64_t *end, size_t size, unsigned int flags) {
    NEXT(ssize_t, "copy_file_range", int, off64_t *, int, off64_t *, size_t, unsigned int);
    long long left = ask_room(to, end ? *end : AT_ITS_PLACE);
    return is_none(left, size) ? refuse() : next(from, start, to, end, clip(size, left), flags);
}

/* Room that is asked for: all of it or nothing. */

static int fits(int file, long long offset, long long length) {
    return length <= ask_room(file, offset);
}

#define FALLOCATE(name, offset_type)                                                                                   \
    int name(int file, int mode, offset_type offset, offset_type length) {                                             \
        NEXT(int, #name, int, int, offset_type, offset_type);                                                          \
        int gives = mode & FALLOC_FL_PUNCH_HOLE;                                                                       \
        return gives || fits(file, offset, length) ? next(file, mode, offset, length) : refuse();                      \
    }
FALLOCATE(fallocate, off_t)
FALLOCATE(fallocate64, off64_t)

#define POSIX_FALLOCATE(name, offset_type)                                                                             \
    int name(int file, offset_type offset, offset_type length) {                                                       \
        NEXT(int, #name, int, offset_type, offset_type);                                                               \
        return fits(file, offset, length) ? next(file, offset, length) : ENOSPC;                                       \
    }
POSIX_FALLOCATE(posix_fallocate, off_t)
POSIX_FALLOCATE(posix_fallocate64, off64_t)

#define FTRUNCATE(name, offset_type)                                                                                   \
    int name(int file, offset_type length) {                                                                           \
        NEXT(int, #name, int, offset_type);                                                                            \
        return length < 0 || fits(file, 0, length) ? next(file, length) : refuse();                                    \
    }
FTRUNCATE(ftruncate, off_t)
FTRUNCATE(ftruncate64, off64_t)

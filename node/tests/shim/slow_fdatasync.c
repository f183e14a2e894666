/* Delays every fdatasync by 300 ms while the file named by VARVE_TEST_GATE exists.
 *
 * Loaded with LD_PRELOAD into a node, so that a test can see whether acks wait for the disk. With
 * VARVE_TEST_LIE set it says that the disk has everything without asking it: the node then acks what
 * is not synced, which is the mistake that the test has to find. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int fdatasync(int fd) {
    static int (*real)(int);
    if (!real) {
        real = (int (*)(int))dlsym(RTLD_NEXT, "fdatasync");
    }
    if (getenv("VARVE_TEST_LIE")) {
        return 0;
    }
    const char *gate = getenv("VARVE_TEST_GATE");
    if (gate && access(gate, F_OK) == 0) {
        struct timespec delay = {0, 300 * 1000 * 1000};
        nanosleep(&delay, NULL);
    }
    return real(fd);
}

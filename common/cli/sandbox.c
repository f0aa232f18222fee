/* sandbox: restricts the process by Landlock (landlock(7)), whose system calls the C library has no functions for.
 *
 * A restriction is a set of rights that it takes away, and of files for which it leaves some of them. */
#include "cli/sandbox.h"

#include <fcntl.h>
#include <stdint.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <jansson.h>

#include "cli/cli.h"
#include "cli/options.h"

bool no_sandbox;

#if defined(SYS_landlock_create_ruleset) && !defined(CLOZE_UNSANDBOXED)
#include <linux/landlock.h>

/* The beginning of the kernel's struct landlock_ruleset_attr, which has more fields than old headers know. */
struct rights { uint64_t files, network, scopes; };

enum { DEVICE_CONTROL = 1 << 15 }; /* LANDLOCK_ACCESS_FS_IOCTL_DEV of newer headers */

/* Every right that a version of Landlock knows: kinds of access to files, connections by TCP, and signals and sockets
 * of other programs. */
static struct rights rights_of(long version) {
	static const int kinds[] = { 13, 14, 15, 15, 16 }; /* of access to files, by version from 1 on */
	enum { NEWEST = sizeof kinds / sizeof *kinds };
	return (struct rights){ .files = (UINT64_C(1) << kinds[(version < NEWEST ? version : NEWEST) - 1]) - 1,
		.network = version >= 4 ? 3 : 0, .scopes = version >= 6 ? 3 : 0 };
}

static bool allow(int rules, const char *path, uint64_t access) {
	struct landlock_path_beneath_attr rule = { .allowed_access = access, .parent_fd = open(path, O_PATH | O_CLOEXEC) };
	bool done = rule.parent_fd >= 0 && syscall(SYS_landlock_add_rule, rules, LANDLOCK_RULE_PATH_BENEATH, &rule, 0) == 0;
	if (rule.parent_fd >= 0)
		close(rule.parent_fd);
	return done;
}

/* Takes every right away but those of this access to the path and what is below it. Returns false where that cannot be
 * done. */
static bool leave(const char *path, uint64_t access) {
	long version = syscall(SYS_landlock_create_ruleset, NULL, 0, LANDLOCK_CREATE_RULESET_VERSION);
	if (version < 1)
		return false;
	struct rights rights = rights_of(version);
	int rules = (int)syscall(SYS_landlock_create_ruleset, &rights, sizeof rights, 0);
	bool done = rules >= 0 && allow(rules, path, access & rights.files) && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
		&& syscall(SYS_landlock_restrict_self, rules, 0) == 0;
	if (rules >= 0)
		close(rules);
	return done;
}

enum { READING = LANDLOCK_ACCESS_FS_READ_FILE | LANDLOCK_ACCESS_FS_READ_DIR | DEVICE_CONTROL,
	READING_A_FILE = LANDLOCK_ACCESS_FS_READ_FILE };
#else
static bool leave(const char *path, uint64_t access) {
	(void)path, (void)access;
	return false;
}

enum { READING, READING_A_FILE };
#endif

void sandbox_reading(void) {
	if (!no_sandbox && !leave("/", READING) && verbose)
		note("no sandbox: Landlock is not there, or cannot be used");
}

int open_last_input(const char *path) {
	int descriptor = open_input(path);
	if (no_sandbox)
		return descriptor;
	json_object_seed(0); /* from /dev/urandom, which jansson could not open any more */
	leave("/proc/self/maps", READING_A_FILE); /* cli/signals.c finds there which file raised SIGBUS */
	return descriptor;
}

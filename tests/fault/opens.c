/* opens: a library to preload (LD_PRELOAD), which tries when the program ends by exit() what a stranger would who got in,
 * and prints a line of what it could do: read a file, make one, run a program, connect. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

/* Whether the call was not refused for want of a right. */
static int allowed(int result) {
	return result >= 0 || (errno != EACCES && errno != EPERM);
}

static int connects(void) {
	const struct sockaddr_in discard = { .sin_family = AF_INET, .sin_port = htons(9), .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int descriptor = socket(AF_INET, SOCK_STREAM, 0);
	return allowed(connect(descriptor, (const struct sockaddr *)&discard, sizeof discard));
}

static int runs(void) {
	int status = 0;
	pid_t child = fork();
	if (child == 0) {
		execl("/bin/true", "true", (char *)NULL);
		_exit(allowed(-1) ? 0 : 1);
	}
	return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

__attribute__((destructor))
static void end(void) {
	const char *made = getenv("OPENS_FILE");
	if (made == NULL)
		return;
	unsetenv("LD_PRELOAD");
	int reads = allowed(open("/etc/passwd", O_RDONLY)), makes = allowed(open(made, O_WRONLY | O_CREAT, 0600));
	dprintf(STDERR_FILENO, "inside:%s%s%s%s\n", reads ? " reads" : "", makes ? " makes" : "", runs() ? " runs" : "",
		connects() ? " connects" : "");
}

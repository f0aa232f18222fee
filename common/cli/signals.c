/* signals: every thread blocks the signals, and one thread takes them by sigwaitinfo().
 *
 * SIGBUS cannot be blocked: its handler runs on an alternate stack, calls only async-signal-safe functions, and never
 * returns. */
#include "cli/signals.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <unistd.h>

#include "base/memory.h"
#include "base/thread.h"

enum { SMALL_STACK = 256 << 10 };

static const int ending[] = { SIGINT, SIGTERM, SIGHUP, SIGQUIT };

static const char *program_name = "cloze";
static void (*_Atomic clean_up_at_end)(void);
static _Atomic pid_t taker;                  /* the process that has a thread for signals; its children have none */
static atomic_bool asking, save_asked, ends;
static _Atomic int stop_asked;
static int wake = -1;                        /* the eventfd */

/* ---- before main() ------------------------------------------------------------------------------------- */

static sigset_t mask_at_start;
static cpu_set_t cores_at_start;
static bool confined;

/* Blocks SIGUSR1 and SIGXFSZ, or `all` signals that others send. */
static void block(bool all) {
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigaddset(&set, SIGXFSZ);
	if (all)
		signals_of_others(&set);
	sigprocmask(SIG_BLOCK, &set, &mask_at_start);
}

/* Lets the process run on the core that it is on, and on no other one. */
static void confine(void) {
	cpu_set_t one;
	int core = sched_getcpu();
	if (core < 0 || core >= CPU_SETSIZE || sched_getaffinity(0, sizeof cores_at_start, &cores_at_start) < 0)
		return;
	CPU_ZERO(&one);
	CPU_SET((size_t)core, &one);
	confined = sched_setaffinity(0, sizeof one, &one) == 0;
}

/* Of OpenBLAS; NULL in a program that does not link it. */
__attribute__((weak)) void openblas_set_num_threads(int threads);

/* OpenBLAS may take a buffer of this size when it is loaded, and asks for it again and again until it has it. */
static void require_memory(void) {
	enum { BUFFER = 136 << 20 };
	if (openblas_set_num_threads == NULL)
		return;
	void *buffer = mmap(NULL, BUFFER, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (buffer == MAP_FAILED)
		memory_exhausted();
	munmap(buffer, BUFFER);
}

/* OpenBLAS, when it is loaded, starts a thread for each core but one. Nothing here computes in them (math/matrix.c),
 * and they do harm: where a thread cannot be had, OpenBLAS prints lines of its own and ends the program by SIGINT;
 * where memory is short, a program that ends waits for them for ever. Where there is one core, it starts none.
 * Libraries are loaded before any constructor of the program runs, but after this array's functions. */
static void before_libraries(void) {
	require_memory();
	confine();
	block(!confined); /* a thread that a library does start must not take signals */
}

__attribute__((section(".preinit_array"), used))
static void (*const first_of_all)(void) = before_libraries;

__attribute__((constructor))
static void after_libraries(void) {
	if (confined)
		sched_setaffinity(0, sizeof cores_at_start, &cores_at_start);
	sigaddset(&mask_at_start, SIGUSR1);
	sigaddset(&mask_at_start, SIGXFSZ);
	sigprocmask(SIG_SETMASK, &mask_at_start, NULL);
}

/* ---- SIGBUS -------------------------------------------------------------------------------------------- */

static uintptr_t hexadecimal(const char **text) {
	uintptr_t value = 0;
	for (; (**text >= '0' && **text <= '9') || (**text >= 'a' && **text <= 'f'); ++*text)
		value = value * 16 + (uintptr_t)(**text <= '9' ? **text - '0' : **text - 'a' + 10);
	return value;
}

/* Reads a line and cuts it to `size` - 1 bytes. Returns false at the end of the file. */
static bool read_line(int descriptor, char *line, size_t size) {
	size_t length = 0;
	for (char c; read(descriptor, &c, 1) == 1;) {
		if (c == '\n') {
			line[length] = '\0';
			return true;
		}
		if (length + 1 < size)
			line[length++] = c;
	}
	return false;
}

/* The path of the file that is mapped at the address, in `line`, or NULL. A line of /proc/self/maps reads
 * "start-end rw-p offset device inode   path". */
static const char *mapped_file(uintptr_t address, char *line, size_t size) {
	int descriptor = open("/proc/self/maps", O_RDONLY | O_CLOEXEC);
	const char *path = NULL;
	while (descriptor >= 0 && path == NULL && read_line(descriptor, line, size)) {
		const char *text = line;
		uintptr_t start = hexadecimal(&text), end = *text == '-' ? (text++, hexadecimal(&text)) : 0;
		if (address >= start && address < end)
			path = strchr(text, '/');
	}
	if (descriptor >= 0)
		close(descriptor);
	return path;
}

static void print(const char *text) {
	ssize_t ignored = write(STDERR_FILENO, text, strlen(text));
	(void)ignored;
}

static void report_bus(const void *address) {
	char line[1024];
	const char *path = mapped_file((uintptr_t)address, line, sizeof line);
	for (char *c = line; path != NULL && *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = '?';
	print(program_name);
	print(": ");
	print(path == NULL ? "a mapped file" : path);
	print(": cannot be read any more (it was cut or written to while it was in use, or its disk fails)\n");
}

/* The thread that takes signals, if there is one, cleans up: the interrupted thread may hold any lock. */
static void take_bus(int number, siginfo_t *info, void *context) {
	(void)context;
	if (info->si_code <= 0) { /* sent by kill(): no file is to blame */
		signal(number, SIG_DFL);
		raise(number);
		return;
	}
	report_bus(info->si_addr);
	if (taker != getpid())
		_exit(EX_IOERR);
	kill(getpid(), SIGRTMIN);
	for (;;)
		pause();
}

/* ---- taking signals ------------------------------------------------------------------------------------ */

static void end_by(int number) {
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, number);
	signal(number, SIG_DFL);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
	raise(number);
	_exit(128 + number);
}

static void clean_up(void) {
	if (atomic_exchange(&ends, true))
		for (;;)
			pause(); /* another thread ends the program */
	void (*at_end)(void) = clean_up_at_end;
	if (at_end != NULL)
		at_end();
}

_Noreturn void signals_end(int number) {
	clean_up();
	end_by(number);
	abort();
}

void signals_wait_for_end(void) {
	while (ends)
		pause();
}

static void wake_up(void) {
	eventfd_write(wake, 1);
}

/* Records a request if the program takes requests; ends the program otherwise. */
static void take(int number) {
	int none = 0;
	if (number == SIGRTMIN) {
		clean_up();
		_exit(EX_IOERR);
	}
	if (number == SIGUSR1)
		save_asked = true;
	else if (!asking || number == SIGQUIT || !atomic_compare_exchange_strong(&stop_asked, &none, number))
		signals_end(number);
	if (asking)
		wake_up();
}

static void *take_signals(void *argument) {
	sigset_t set = *(sigset_t *)argument;
	free(argument);
	for (;;) {
		int number = sigwaitinfo(&set, NULL);
		if (number > 0)
			take(number);
	}
	return NULL;
}

/* The signals to take. A signal that was ignored when the program began stays ignored. */
static sigset_t *signals_to_take(void) {
	sigset_t *set = allocate(1, sizeof *set);
	sigemptyset(set);
	sigaddset(set, SIGRTMIN);
	if (!signal_is_ignored(SIGUSR1))
		sigaddset(set, SIGUSR1);
	for (size_t i = 0; i < sizeof ending / sizeof *ending; i++)
		if (!signal_is_ignored(ending[i]))
			sigaddset(set, ending[i]);
	return set;
}

static int start_taker(void) {
	pthread_t thread;
	pthread_attr_t attributes;
	sigset_t *set = signals_to_take(), blocked = *set, before;
	sigaddset(&blocked, SIGPIPE);
	pthread_sigmask(SIG_BLOCK, &blocked, &before);
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_attr_setstacksize(&attributes, SMALL_STACK);
	int error = thread_create(&thread, &attributes, take_signals, set);
	pthread_attr_destroy(&attributes);
	if (error != 0) {
		pthread_sigmask(SIG_SETMASK, &before, NULL);
		free(set);
	}
	return error;
}

int signals_take(void (*at_end)(void), struct failure *failure) {
	if (at_end != NULL)
		clean_up_at_end = at_end;
	if (taker == getpid())
		return 0;
	int error = start_taker();
	if (error != 0)
		return fail(failure, EX_OSERR, "threads: %s (allow more processes or memory)", strerror(error));
	taker = getpid();
	return 0;
}

/* ---- requests ------------------------------------------------------------------------------------------ */

int signals_ask(struct failure *failure) {
	if (wake < 0)
		wake = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (wake < 0)
		return fail(failure, EX_OSERR, "signals: cannot create a descriptor: %s", strerror(errno));
	asking = true;
	if (save_asked)
		wake_up();
	return signals_take(NULL, failure);
}

int signals_stop_asked(void) {
	return stop_asked;
}

bool signals_save_asked(void) {
	eventfd_t count;
	if (!save_asked)
		return false;
	eventfd_read(wake, &count);
	if (stop_asked != 0)
		wake_up();
	return atomic_exchange(&save_asked, false);
}

int signals_descriptor(void) {
	return wake;
}

/* ---- the beginning of a program ------------------------------------------------------------------------ */

/* Opens the standard descriptors that are closed. A descriptor opened by O_PATH can be neither read nor written. */
static void fill_standard_descriptors(void) {
	for (int descriptor = STDIN_FILENO; descriptor <= STDERR_FILENO; descriptor++)
		if (fcntl(descriptor, F_GETFD) < 0)
			open("/", O_PATH); /* the lowest number that is free */
}

void signals_begin(const char *program) {
	static struct alternate_stack stack;
	struct sigaction bus = { .sa_sigaction = take_bus, .sa_flags = SA_SIGINFO | SA_ONSTACK };
	program_name = program;
	fill_standard_descriptors();
	signal(SIGPIPE, SIG_DFL);
	thread_set_alternate_stack(&stack);
	sigfillset(&bus.sa_mask);
	sigaction(SIGBUS, &bus, NULL);
}

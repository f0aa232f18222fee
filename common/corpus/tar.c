/* tar: one pass over blocks of 512 bytes. What a pax or GNU header says about the member after it is kept in `next`
 * until the header of that member has been read. */
#include "corpus/tar.h"

#include <stdlib.h>
#include <string.h>

#include "base/memory.h"

enum { BLOCK = 512, EXTENDED_HEADER_LIMIT = 1 << 20, FIRST_PIECE = 1 << 16 };

/* The fields of a header block, at their offsets. */
struct header {
	char name[100], mode[8], uid[8], gid[8], size[12], mtime[12], checksum[8], type, link[100];
	char magic[6], version[2], user[32], group[32], device_major[8], device_minor[8], prefix[155], padding[12];
};
_Static_assert(sizeof(struct header) == BLOCK, "a tar header is one block");

struct tar_reader {
	struct inflate_reader *input;
	const char *archive;
	char *name;           /* of the current member; NULL before the first */
	uint64_t unread;      /* of its content, padding included */
	uint64_t size;
	struct {
		char *name;       /* NULL: the header's own */
		bool size_given, sparse;
		uint64_t size;
	} next;
	char *content;        /* the result of the last tar_content() */
	size_t capacity;
};

struct tar_reader *tar_open(struct inflate_reader *input, const char *name) {
	struct tar_reader *tar = allocate(1, sizeof *tar);
	tar->input = input;
	tar->archive = name;
	return tar;
}

/* Where in the archive a failure was found. */
static const char *place(const struct tar_reader *tar) {
	return tar->name != NULL ? tar->name : "its beginning";
}

static int read_whole(struct tar_reader *tar, void *buffer, size_t size, struct failure *failure) {
	ptrdiff_t got = inflate_read(tar->input, buffer, size, failure);
	if (got < 0)
		return -1;
	if ((size_t)got < size)
		return fail(failure, EX_DATAERR, "%s: cut short in or after %s (copy or download it again)", tar->archive,
			place(tar));
	return 0;
}

static int skip_unread(struct tar_reader *tar, struct failure *failure) {
	char scratch[1 << 14];
	while (tar->unread > 0) {
		size_t part = tar->unread < sizeof scratch ? (size_t)tar->unread : sizeof scratch;
		if (read_whole(tar, scratch, part, failure) < 0)
			return -1;
		tar->unread -= part;
	}
	return 0;
}

/* A number is octal digits, ended by a space, a NUL or the field's end; or, as GNU tar writes large ones, a first bit
 * that is set, and a big-endian number after it. */
static bool read_number(const char *field, size_t width, uint64_t *number) {
	const unsigned char *bytes = (const unsigned char *)field;
	size_t i = 0;
	*number = 0;
	if (bytes[0] & 0x80) {
		*number = bytes[0] & 0x7f;
		for (i = 1; i < width; i++) {
			if (*number >> 56 != 0)
				return false;
			*number = *number << 8 | bytes[i];
		}
		return *number <= INT64_MAX;
	}
	while (i < width && bytes[i] == ' ')
		i++;
	for (; i < width && bytes[i] >= '0' && bytes[i] <= '7'; i++)
		*number = *number << 3 | (uint64_t)(bytes[i] - '0');
	return i == width || bytes[i] == ' ' || bytes[i] == '\0';
}

/* The sum of the block's bytes, its own field read as spaces. */
static inline int64_t sum_bytes(const struct header *header, bool with_sign) {
	const unsigned char *bytes = (const unsigned char *)header, *field = (const unsigned char *)header->checksum;
	int sum = ' ' * (int)sizeof header->checksum;
	for (size_t i = 0; i < BLOCK; i++)
		sum += with_sign ? (signed char)bytes[i] : bytes[i];
	for (size_t i = 0; i < sizeof header->checksum; i++)
		sum -= with_sign ? (signed char)field[i] : field[i];
	return sum;
}

/* Some old archives summed signed bytes. */
static bool checksum_holds(const struct header *header) {
	uint64_t stored;
	return read_number(header->checksum, sizeof header->checksum, &stored)
		&& ((int64_t)stored == sum_bytes(header, false) || (int64_t)stored == sum_bytes(header, true));
}

static bool is_zero(const char *bytes, size_t length) {
	for (size_t i = 0; i < length; i++)
		if (bytes[i] != 0)
			return false;
	return true;
}

/* After the block of zeros that ends an archive only zeros may follow. Reading them lets gzip check its sum,
 * and keeps the program that writes the pipe from a broken one. */
static int read_end(struct tar_reader *tar, struct failure *failure) {
	char scratch[1 << 14];
	ptrdiff_t got;
	while ((got = inflate_read(tar->input, scratch, sizeof scratch, failure)) > 0)
		if (!is_zero(scratch, (size_t)got))
			return fail(failure, EX_DATAERR, "%s: more bytes after the archive's end, which is after %s (split what "
				"was joined)", tar->archive, place(tar));
	return got < 0 ? -1 : 0;
}

static uint64_t padded(uint64_t size) {
	return (size + BLOCK - 1) / BLOCK * BLOCK;
}

/* The name in a header. POSIX puts the start of a long one into the prefix; GNU's magic, "ustar  ", has other
 * things there. */
static char *header_name(const struct header *header) {
	int prefix = memcmp(header->magic, "ustar", sizeof header->magic) == 0
		? (int)strnlen(header->prefix, sizeof header->prefix) : 0;
	size_t length = strnlen(header->name, sizeof header->name);
	return prefix == 0 ? copy_bytes(header->name, length)
		: format_text("%.*s/%.*s", prefix, header->prefix, (int)length, header->name);
}

static void set_name(char **name, char *value) {
	free(*name);
	*name = value;
}

/* Puts the content into tar->content as it arrives: memory grows with it, not with the size that the header claims. */
static int read_content(struct tar_reader *tar, struct failure *failure) {
	size_t size = (size_t)tar->size, got = 0;
	do {
		size_t wanted = got == 0 ? FIRST_PIECE : 2 * got;
		if (wanted > size)
			wanted = size;
		if (wanted + 1 > tar->capacity)
			tar->content = grow(tar->content, tar->capacity = wanted + 1, 1);
		if (read_whole(tar, tar->content + got, wanted - got, failure) < 0)
			return -1;
		got = wanted;
	} while (got < size);
	tar->unread -= size;
	tar->content[size] = '\0';
	return 0;
}

static bool decimal(const char *text, uint64_t *number) {
	*number = 0;
	for (; *text >= '0' && *text <= '9'; text++) {
		if (*number > (INT64_MAX - 9) / 10)
			return false;
		*number = *number * 10 + (uint64_t)(*text - '0');
	}
	return *text == '\0';
}

static int pax_record(struct tar_reader *tar, bool global, const char *key, const char *value, size_t length,
	struct failure *failure) {
	bool sparse_name = strcmp(key, "GNU.sparse.name") == 0;
	bool is_path = sparse_name || (strcmp(key, "path") == 0 && !tar->next.sparse), is_size = strcmp(key, "size") == 0;
	if (strncmp(key, "GNU.sparse.", 11) == 0)
		tar->next.sparse = true;
	if (global && (is_path || is_size))
		return fail(failure, EX_DATAERR, "%s: after %s: a header that gives every file one %s", tar->archive,
			place(tar), key);
	if (is_path && (length == 0 || strlen(value) != length))
		return fail(failure, EX_DATAERR, "%s: after %s: a name that is empty or has a NUL in it", tar->archive,
			place(tar));
	if (is_path)
		set_name(&tar->next.name, copy_text(value));
	if (is_size) {
		if (length == 0 || !decimal(value, &tar->next.size))
			return fail(failure, EX_DATAERR, "%s: after %s: the size %s is no number", tar->archive, place(tar),
				value);
		tar->next.size_given = true;
	}
	return 0;
}

/* Records of "LENGTH KEY=VALUE\n", the length counting all of it. */
static int pax_records(struct tar_reader *tar, bool global, char *records, size_t size,
	struct failure *failure) {
	while (size > 0) {
		char *key = records + strspn(records, "0123456789"), *end;
		uint64_t length;
		if (*key != ' ' || key == records)
			break;
		*key++ = '\0';
		if (!decimal(records, &length) || length > size || length < (uint64_t)(key - records) + 2)
			break;
		end = records + length - 1;
		char *equals = memchr(key, '=', (size_t)(end - key));
		if (*end != '\n' || equals == NULL)
			break;
		*end = *equals = '\0';
		if (pax_record(tar, global, key, equals + 1, (size_t)(end - equals) - 1, failure) < 0)
			return -1;
		records += length;
		size -= (size_t)length;
	}
	if (size > 0)
		return fail(failure, EX_DATAERR, "%s: damaged pax header after %s", tar->archive, place(tar));
	return 0;
}

static bool is_extended(char type) {
	return type == 'x' || type == 'g' || type == 'L' || type == 'K';
}

/* A header that describes the next one: pax ('x' for the next file, 'g' for all), GNU's long name ('L') or long
 * target of a link ('K'), which nobody asks for. */
static int read_extended(struct tar_reader *tar, char type, struct failure *failure) {
	tar->unread = padded(tar->size);
	if (tar->size > EXTENDED_HEADER_LIMIT)
		return fail(failure, EX_DATAERR, "%s: a header of %llu bytes after %s (at most %d are taken)", tar->archive,
			(unsigned long long)tar->size, place(tar), EXTENDED_HEADER_LIMIT);
	if (read_content(tar, failure) < 0)
		return -1;
	if (type == 'L')
		set_name(&tar->next.name, copy_text(tar->content));
	if (type == 'x' || type == 'g')
		return pax_records(tar, type == 'g', tar->content, (size_t)tar->size, failure);
	return 0;
}

/* Old archives tell folders by the end of their names alone. */
static enum tar_kind kind_of(char type, const char *name) {
	size_t length = strlen(name);
	if (type == '5' || length == 0 || name[length - 1] == '/')
		return TAR_FOLDER;
	if (type == '0' || type == '\0' || type == '7')
		return TAR_FILE;
	return type == '1' || type == '2' ? TAR_LINK : TAR_OTHER;
}

/* What the extended headers said is used up by the member they came before. Links, devices, folders and pipes have no
 * content, whatever their size field says. */
static enum tar_kind begin_member(struct tar_reader *tar, const struct header *header) {
	set_name(&tar->name, tar->next.name != NULL ? tar->next.name : header_name(header));
	tar->next.name = NULL;
	if (tar->next.size_given)
		tar->size = tar->next.size;
	enum tar_kind kind = kind_of(header->type, tar->name);
	if (kind != TAR_FILE && !(kind == TAR_OTHER && header->type > '7'))
		tar->size = 0;
	tar->unread = padded(tar->size);
	return kind;
}

int tar_next(struct tar_reader *tar, struct tar_member *member, struct failure *failure) {
	struct header header;
	for (;;) {
		if (skip_unread(tar, failure) < 0 || read_whole(tar, &header, sizeof header, failure) < 0)
			return -1;
		if (is_zero((const char *)&header, sizeof header))
			return read_end(tar, failure);
		if (!checksum_holds(&header) || !read_number(header.size, sizeof header.size, &tar->size))
			return fail(failure, EX_DATAERR, "%s: damaged tar header after %s (or not a tar archive)", tar->archive,
				place(tar));
		if (!is_extended(header.type))
			break;
		if (read_extended(tar, header.type, failure) < 0)
			return -1;
	}
	bool sparse = header.type == 'S' || tar->next.sparse;
	member->kind = begin_member(tar, &header);
	member->name = tar->name;
	member->size = tar->size;
	tar->next.size_given = tar->next.sparse = false;
	if (sparse || header.type == 'M')
		return fail(failure, EX_DATAERR, "%s: %s: %s (make the archive without it)", tar->archive, tar->name,
			sparse ? "a sparse file" : "continued from another volume");
	return 1;
}

const char *tar_content(struct tar_reader *tar, size_t limit, size_t *length, struct failure *failure) {
	if (tar->size > limit) {
		fail(failure, EX_DATAERR, "%s: %s: %llu bytes (at most %zu are taken)", tar->archive, tar->name,
			(unsigned long long)tar->size, limit);
		return NULL;
	}
	*length = (size_t)tar->size;
	return read_content(tar, failure) < 0 ? NULL : tar->content;
}

bool tar_begins(const char *bytes, size_t length) {
	struct header header;
	if (length < sizeof header)
		return false;
	memcpy(&header, bytes, sizeof header);
	return is_zero(bytes, sizeof header) || checksum_holds(&header);
}

void tar_close(struct tar_reader *tar) {
	if (tar == NULL)
		return;
	free(tar->name);
	free(tar->next.name);
	free(tar->content);
	free(tar);
}

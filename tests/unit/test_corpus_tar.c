/* Archives put together block by block: every kind of header, and hostile ones. */
#include "test.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "corpus/tar.h"

enum { BLOCK = 512, ROOM = 1 << 17, LIMIT = 1 << 16 };

/* An archive being made. */
static unsigned char archive[ROOM];
static size_t length;

static unsigned char *begin(void) {
	memset(archive, 0, sizeof archive);
	length = 0;
	return archive;
}

/* Writes the sum of the header's bytes, or of them as signed bytes. */
static void set_sum(unsigned char *header, bool with_sign) {
	unsigned sum = 0;
	memset(header + 148, ' ', 8);
	for (size_t i = 0; i < BLOCK; i++)
		sum += header[i] - (with_sign && header[i] >= 0x80 ? 256u : 0u);
	char digits[9];
	snprintf(digits, sizeof digits, "%06o", sum);
	memcpy(header + 148, digits, 7);
}

static void set_checksum(unsigned char *header) {
	set_sum(header, false);
}

/* Returns the header, for a test to change and sum again. */
static unsigned char *add_header(char type, const char *name, size_t size) {
	unsigned char *header = archive + length;
	char digits[32];
	snprintf(digits, sizeof digits, "%011zo", size);
	memcpy(header, name, strlen(name));
	memcpy(header + 124, digits, 12);
	header[156] = (unsigned char)type;
	memcpy(header + 257, "ustar\0" "00", 8);
	set_checksum(header);
	length += BLOCK;
	return header;
}

static void add_content(const void *bytes, size_t size) {
	memcpy(archive + length, bytes, size);
	length += (size + BLOCK - 1) / BLOCK * BLOCK;
}

static unsigned char *add_file(char type, const char *name, const char *content) {
	unsigned char *header = add_header(type, name, strlen(content));
	add_content(content, strlen(content));
	return header;
}

static void add_end(void) {
	length += 2 * BLOCK;
}

/* Reads the first `size` bytes of the archive; describes each file as "name=content;", a folder by its name, a link as
 * "name->;", anything else as "name?;". Returns 0 at the end, or -1. */
static int read_archive(size_t size, char *listing, size_t capacity, struct failure *failure) {
	FILE *file = tmpfile();
	assert_non_null(file);
	assert_int_equal(fwrite(archive, 1, size, file), size);
	rewind(file);
	struct inflate_reader *input = inflate_open(fileno(file), "a.tar", &(struct failure){ 0 });
	struct tar_reader *tar = tar_open(input, "a.tar");
	struct tar_member member;
	size_t written = 0;
	int result;
	listing[0] = '\0';
	while ((result = tar_next(tar, &member, failure)) == 1) {
		size_t got;
		if (member.kind != TAR_FILE) {
			const char *kind = member.kind == TAR_FOLDER ? "" : member.kind == TAR_LINK ? "->" : "?";
			written += (size_t)snprintf(listing + written, capacity - written, "%.300s%s;", member.name, kind);
			continue;
		}
		const char *content = tar_content(tar, LIMIT, &got, failure);
		if (content == NULL) {
			result = -1;
			break;
		}
		assert_int_equal(got, member.size);
		assert_int_equal(content[got], 0);
		written += (size_t)snprintf(listing + written, capacity - written, "%.300s=%.100s;", member.name, content);
		assert_true(written < capacity);
	}
	tar_close(tar);
	inflate_close(input);
	fclose(file);
	return result;
}

static void expect_listing(const char *expected) {
	char listing[4096];
	struct failure failure = { 0 };
	assert_int_equal(read_archive(length, listing, sizeof listing, &failure), 0);
	assert_string_equal(listing, expected);
}

static void expect_refused(const char *reason, const char *name) {
	char listing[4096];
	struct failure failure = { 0 };
	assert_int_equal(read_archive(length, listing, sizeof listing, &failure), -1);
	assert_int_equal(failure.status, EX_DATAERR);
	assert_non_null(strstr(failure.text, "a.tar: "));
	assert_non_null(strstr(failure.text, reason));
	assert_non_null(strstr(failure.text, name));
}

static void test_files(void **state) {
	(void)state;
	begin();
	add_file('5', "d/", "");
	add_file('0', "d/one", "first");
	add_file('\0', "d/two", "");
	add_file('7', "d/three", "third");
	add_file('\0', "old-folder/", "");
	add_end();
	expect_listing("d/;d/one=first;d/two=;d/three=third;old-folder/;");

	/* one block of zeros ends an archive as well as two do */
	length -= BLOCK;
	expect_listing("d/;d/one=first;d/two=;d/three=third;old-folder/;");
}

static void test_files_unread_are_passed_over(void **state) {
	(void)state;
	begin();
	char content[3000];
	memset(content, 'x', sizeof content - 1);
	content[sizeof content - 1] = '\0';
	add_file('0', "big", content);
	add_file('0', "small", "s");
	add_end();
	FILE *file = tmpfile();
	assert_non_null(file);
	assert_int_equal(fwrite(archive, 1, length, file), length);
	rewind(file);
	struct inflate_reader *input = inflate_open(fileno(file), "a.tar", &(struct failure){ 0 });
	struct tar_reader *tar = tar_open(input, "a.tar");
	struct tar_member member;
	struct failure failure;
	assert_int_equal(tar_next(tar, &member, &failure), 1);
	assert_string_equal(member.name, "big");
	assert_int_equal(member.size, 2999);
	assert_int_equal(tar_next(tar, &member, &failure), 1);
	assert_string_equal(member.name, "small");
	assert_int_equal(tar_next(tar, &member, &failure), 0);
	tar_close(tar);
	inflate_close(input);
	fclose(file);
}

static void test_links_have_no_content(void **state) {
	(void)state;
	begin();
	add_file('0', "file", "content");
	for (char type = '1'; type <= '6'; type++)
		add_header(type, "link", 5000);
	add_file('0', "after", "a");
	add_end();
	expect_listing("file=content;link->;link->;link?;link?;link;link?;after=a;");
}

static void test_long_names(void **state) {
	(void)state;
	char name[200], expected[1000];
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	begin();
	add_file('L', "././@LongLink", name);
	add_file('K', "././@LongLink", "a long target");
	add_file('0', "cut", "gnu");
	unsigned char *header = add_file('0', "file", "posix");
	memcpy(header + 345, "far/away", 8);
	set_checksum(header);
	/* GNU's magic: what follows it is no prefix */
	header = add_file('0', "plain", "old");
	memcpy(header + 257, "ustar  ", 8);
	memcpy(header + 345, "12345", 5);
	set_checksum(header);
	add_file('x', "pax", "20 mtime=1234567890\n18 path=d/\xc3\xa9t\xc3\xa9.x\n");
	add_file('0', "cut", "pax");
	add_file('0', "own", "again");
	/* a name that fills its field has no NUL after it */
	name[100] = '\0';
	add_file('0', name, "full");
	name[100] = 'n';
	add_end();
	snprintf(expected, sizeof expected,
		"%s=gnu;far/away/file=posix;plain=old;d/\xc3\xa9t\xc3\xa9.x=pax;own=again;%.100s=full;", name, name);
	expect_listing(expected);
}

static void test_sizes(void **state) {
	(void)state;
	begin();
	/* base 256 */
	unsigned char *header = add_file('0', "binary", "seven b");
	memset(header + 124, 0, 12);
	header[124] = 0x80;
	header[135] = 7;
	set_checksum(header);
	/* a pax size counts, not the header's */
	add_file('x', "pax", "9 size=5\n");
	add_header('0', "pax-sized", 0);
	add_content("12345", 5);
	/* spaces around the digits, and a checksum of signed bytes */
	header = add_file('0', "sp\xc3\xa9", "abc");
	memcpy(header + 124, "        3   ", 12);
	set_checksum(header);
	unsigned sum = (unsigned)strtoul((char *)header + 148, NULL, 8) - 2 * 256;
	snprintf((char *)header + 148, 8, "%06o", sum);
	add_end();
	expect_listing("binary=seven b;pax-sized=12345;sp\xc3\xa9=abc;");
}

static void test_sizes_that_lie(void **state) {
	(void)state;
	begin();
	add_file('0', "honest", "1");
	add_header('0', "liar", 100000);
	add_content("2", 1);
	add_end();
	expect_refused("(at most", "liar");
	begin();
	add_file('0', "honest", "1");
	add_header('0', "liar", 5000);
	add_content("2", 1);
	add_end();
	expect_refused("cut short", "liar");
	begin();
	add_header('0', "liar", 0);
	add_content("content that is no header", 25);
	add_end();
	expect_refused("damaged tar header", "liar");
	begin();
	unsigned char *header = add_header('0', "negative", 0);
	memset(header + 124, 0xff, 12);
	set_checksum(header);
	expect_refused("damaged tar header", "beginning");
	begin();
	add_file('0', "honest", "1");
	header = add_file('0', "letters", "1");
	header[134] = 'z';
	set_checksum(header);
	expect_refused("damaged tar header", "honest");
}

static void test_damaged_headers(void **state) {
	(void)state;
	for (size_t i = 0; i < BLOCK; i++) {
		begin();
		add_file('0', "first", "1");
		unsigned char *header = add_file('0', "second", "2");
		header[i] ^= 4;
		add_end();
		/* of the checksum field only its six digits count */
		if (i < 154 || i >= 156)
			expect_refused("damaged tar header", "first");
	}
}

static void test_extended_headers_refused(void **state) {
	(void)state;
	const struct { char type; const char *records, *reason; } cases[] = {
		{ 'x', "18 path=too/short\n\n", "damaged pax" }, { 'x', "99 path=x\n", "damaged pax" },
		{ 'x', "9 path=x", "damaged pax" }, { 'x', "11 path=x\n", "damaged pax" }, { 'x', "path=x\n", "damaged pax" },
		{ 'x', "0 \n", "damaged pax" }, { 'x', "3 \n", "damaged pax" }, { 'x', "4 x\n", "damaged pax" },
		{ 'x', "99999999999999999999999 path=x\n", "damaged pax" }, { 'x', "8 path=\n", "empty" },
		{ 'x', "10 size=5x\n", "damaged pax" }, { 'x', "11 size=5x\n", "no number" },
		{ 'x', "10 size=-1\n", "damaged pax" }, { 'x', "11 size=-1\n", "no number" },
		{ 'x', "32 size=99999999999999999999999\n", "no number" },
				{ 'g', "11 path=x\n", "damaged pax" }, { 'g', "9 path=x\n", "every file" },
		{ 'g', "9 size=1\n", "every file" },
	};
	for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
		begin();
		add_file('0', "before", "1");
		add_file(cases[i].type, "header", cases[i].records);
		add_file('0', "after", "2");
		add_end();
		expect_refused(cases[i].reason, "before");
	}
	begin();
	add_file('0', "before", "1");
	add_header('x', "header", 9);
	add_content("9 path=\0\n", 9);
	add_end();
	expect_refused("NUL", "before");
	begin();
	add_file('0', "before", "1");
	add_header('L', "header", 2000000);
	add_end();
	expect_refused("at most", "before");
	begin();
	add_file('S', "holes", "1");
	add_end();
	expect_refused("sparse", "holes");
	begin();
	add_file('x', "pax", "22 GNU.sparse.major=1\n25 GNU.sparse.name=holes\n21 path=elsewhere/it\n");
	add_file('0', "cut", "1");
	add_end();
	expect_refused("sparse", "holes");
	begin();
	add_file('M', "continued", "1");
	add_end();
	expect_refused("another volume", "continued");
}

static void test_sum_of_signed_bytes(void **state) {
	(void)state;
	begin();
	unsigned char *header = add_file('0', "f\xc3\xbcr", "content");
	set_sum(header, true);
	add_end();
	expect_listing("f\xc3\xbcr=content;");
	header[1]++;
	expect_refused("damaged tar header", "beginning");
}

static void test_global_comment(void **state) {
	(void)state;
	begin();
	add_file('g', "pax_global_header", "16 comment=word\n");
	add_file('0', "file", "1");
	add_file('V', "volume label", "");
	add_end();
	expect_listing("file=1;volume label?;");
}

static void test_cut_at_every_byte(void **state) {
	(void)state;
	begin();
	add_file('x', "pax", "12 path=a/b\n");
	add_file('0', "file", "1");
	add_file('0', "last", "2");
	add_end();
	char listing[4096];
	for (size_t cut = 0; cut < length - BLOCK; cut++) {
		struct failure failure = { 0 };
		assert_int_equal(read_archive(cut, listing, sizeof listing, &failure), -1);
		assert_int_equal(failure.status, EX_DATAERR);
		assert_non_null(strstr(failure.text, cut < 3 * BLOCK ? "its beginning" : cut < 5 * BLOCK ? "a/b" : "last"));
	}
	memcpy(archive + length, "junk", 4);
	length += 4;
	expect_refused("more bytes after", "last");
}

/* Damage anywhere ends in a listing or a reason, never in a crash. */
static void test_random_damage(void **state) {
	(void)state;
	uint32_t number = 3;
	char listing[1 << 16];
	for (int round = 0; round < 3000; round++) {
		begin();
		unsigned char *headers[] = { add_file('x', "pax", "12 path=a/b\n9 size=1\n"), add_file('0', "file", "1"),
			add_file('L', "long", "name"), add_file('0', "last", "2") };
		add_end();
		for (int flips = 0; flips < 3; flips++) {
			number = number * 1664525 + 1013904223;
			archive[(number >> 8) % length] = (unsigned char)(number >> 24);
		}
		for (size_t i = 0; i < 4 && round % 2 == 0; i++)
			set_checksum(headers[i]);
		struct failure failure = { 0 };
		if (read_archive(length, listing, sizeof listing, &failure) < 0)
			assert_int_equal(failure.status, EX_DATAERR);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_files_unread_are_passed_over),
		cmocka_unit_test(test_links_have_no_content),
		cmocka_unit_test(test_long_names),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_sizes_that_lie),
		cmocka_unit_test(test_damaged_headers),
		cmocka_unit_test(test_extended_headers_refused),
		cmocka_unit_test(test_sum_of_signed_bytes),
		cmocka_unit_test(test_global_comment),
		cmocka_unit_test(test_cut_at_every_byte),
		cmocka_unit_test(test_random_damage),
	};
	return cmocka_run_group_tests_name("corpus/tar", tests, NULL, NULL);
}

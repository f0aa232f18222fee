/* compression.c: LZ4 frames by liblz4, ZSTD by libzstd, each where the library was there when cloze was built. */
#include "record/compression.h"

#include <stdlib.h>
#include <string.h>

#ifdef CLOZE_LZ4
#include <lz4frame.h>
#endif
#ifdef CLOZE_ZSTD
#include <zstd.h>
#include <zstd_errors.h>
#endif

#include "base/memory.h"

#ifdef CLOZE_LZ4
/* Whether a frame of `length` bytes is `size` bytes when decompressed, which it then is at `to`. */
static bool decompress_lz4(const uint8_t *from, size_t length, uint8_t *to, size_t size) {
	LZ4F_dctx *context;
	size_t hint = 1, taken = 1, given = 1;
	if (LZ4F_isError(LZ4F_createDecompressionContext(&context, LZ4F_VERSION)))
		memory_exhausted();
	while (hint != 0 && !LZ4F_isError(hint) && taken + given > 0) {
		taken = length;
		given = size;
		hint = LZ4F_decompress(context, to, &given, from, &taken, NULL);
		from += taken;
		length -= taken;
		to += given;
		size -= given;
	}
	LZ4F_freeDecompressionContext(context);
	return hint == 0 && length == 0 && size == 0;
}
#endif

#ifdef CLOZE_ZSTD
static bool decompress_zstd(const uint8_t *from, size_t length, uint8_t *to, size_t size) {
	size_t result = ZSTD_decompress(to, size, from, length);
	if (ZSTD_getErrorCode(result) == ZSTD_error_memory_allocation)
		memory_exhausted();
	return result == size;
}
#endif

typedef bool decompressor(const uint8_t *from, size_t length, uint8_t *to, size_t size);

/* NULL: this build has none. */
static decompressor *find_decompressor(enum codec codec) {
	decompressor *found = NULL;
#ifdef CLOZE_LZ4
	if (codec == CODEC_LZ4)
		found = decompress_lz4;
#endif
#ifdef CLOZE_ZSTD
	if (codec == CODEC_ZSTD)
		found = decompress_zstd;
#endif
	(void)codec;
	return found;
}

/* Appends what the `length` bytes of a buffer decompress to, so that `out` has at most `limit` bytes. What is wrong
 * with them; NULL: nothing. */
static const char *append_buffer(const uint8_t *from, size_t length, decompressor *decompress, size_t limit,
	struct bytes *out) {
	int64_t size;
	if (length == 0)
		return NULL;
	if (length < sizeof size)
		return "a compressed buffer is too short";
	memcpy(&size, from, sizeof size);
	if (size == -1) {
		bytes_append(out, from + sizeof size, length - sizeof size);
		return NULL;
	}
	if (size < 0 || out->size > limit || (uint64_t)size > limit - out->size)
		return "a compressed buffer claims more bytes than can be (write smaller batches)";
	return decompress(from + sizeof size, length - sizeof size, bytes_extend(out, (size_t)size), (size_t)size) ? NULL
		: "a compressed buffer is damaged";
}

int message_decompress(struct message *message, const char *where, struct failure *failure) {
	size_t limit = DECOMPRESSED_FREE + DECOMPRESSED_RATIO * message->body.size;
	struct bytes out = { 0 }, places = { 0 };
	const char *wrong = NULL;
	if (message->codec == CODEC_NONE)
		return 0;
	decompressor *decompress = find_decompressor(message->codec);
	if (decompress == NULL)
		return fail(failure, EX_UNAVAILABLE, "%s: compressed batches, and this build is without %s (write the stream "
			"without compression: pyarrow IpcWriteOptions(compression=None), polars compression=\"uncompressed\")", where,
			message->codec == CODEC_LZ4 ? "liblz4" : "libzstd");
	for (size_t i = 0; i < message->buffers.count && wrong == NULL; i++) {
		struct buffer from, to = { (int64_t)out.size, 0 };
		wrong = !message_buffer(message, i, &from) ? "a buffer lies outside the batch"
			: append_buffer(message_bytes(message, from), (size_t)from.length, decompress, limit, &out);
		to.length = (int64_t)out.size - to.offset;
		bytes_append(&places, &to, sizeof to);
		bytes_align(&out, 8);
	}
	message_clear(message);
	message->body = out;
	message->decompressed = places;
	return wrong == NULL ? 0 : fail(failure, EX_DATAERR, "%s: %s", where, wrong);
}

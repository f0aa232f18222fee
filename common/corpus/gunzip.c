/* gunzip: ISA-L inflates in a third of zlib's time. isal_inflate() could read the header of a member too, but it
 * loses the header's CRC between two calls, so that the header is read separately. */
#include "corpus/gunzip.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/memory.h"

#ifdef CLOZE_ISAL
#include <isa-l/igzip_lib.h>

struct inflater {
	struct isal_gzip_header header; /* as far as it has been read */
	bool in_header;
	struct inflate_state state;
};

void gunzip_begin(struct gunzip *gunzip) {
	struct inflater *inflater = gunzip->inflater;
	if (inflater == NULL)
		inflater = gunzip->inflater = allocate(1, sizeof *inflater);
	isal_gzip_header_init(&inflater->header);
	isal_inflate_init(&inflater->state);
	inflater->state.crc_flag = ISAL_GZIP;
	inflater->in_header = true;
}

static const char *damage_text(int result) {
	return result == ISAL_INCORRECT_CHECKSUM ? "its checksum is another" : "it cannot be inflated";
}

enum gunzip_result gunzip_run(struct gunzip *gunzip) {
	struct inflater *inflater = gunzip->inflater;
	struct inflate_state *state = &inflater->state;
	int result = ISAL_DECOMP_OK;
	state->next_in = (uint8_t *)(uintptr_t)gunzip->in; /* only read */
	state->avail_in = (uint32_t)gunzip->in_left;
	state->next_out = gunzip->out;
	state->avail_out = (uint32_t)gunzip->out_left;
	if (inflater->in_header) {
		result = isal_read_gzip_header(state, &inflater->header);
		inflater->in_header = result == ISAL_END_INPUT;
	}
	if (result == ISAL_DECOMP_OK)
		result = isal_inflate(state);
	gunzip->in = state->next_in;
	gunzip->in_left = state->avail_in;
	gunzip->out = state->next_out;
	gunzip->out_left = state->avail_out;
	gunzip->damage = damage_text(result);
	return result < 0 ? GUNZIP_DAMAGED : state->block_state == ISAL_BLOCK_FINISH ? GUNZIP_MEMBER_ENDS : GUNZIP_GOES_ON;
}

void gunzip_end(struct gunzip *gunzip) {
	free(gunzip->inflater);
}
#else
#include <zlib.h>

enum { GZIP_WINDOW = 15 + 16 }; /* zlib's for the largest window, in a gzip file */

/* Ends the program where there is no memory, as allocate() does. */
static void *zlib_allocate(void *opaque, unsigned count, unsigned size) {
	(void)opaque;
	return allocate(count, size);
}

static void zlib_free(void *opaque, void *memory) {
	(void)opaque;
	free(memory);
}

void gunzip_begin(struct gunzip *gunzip) {
	z_stream *stream = gunzip->inflater;
	if (stream != NULL) {
		inflateReset(stream);
		return;
	}
	stream = gunzip->inflater = allocate(1, sizeof *stream);
	*stream = (z_stream){ .zalloc = zlib_allocate, .zfree = zlib_free };
	inflateInit2(stream, GZIP_WINDOW);
}

enum gunzip_result gunzip_run(struct gunzip *gunzip) {
	z_stream *stream = gunzip->inflater;
	stream->next_in = (unsigned char *)(uintptr_t)gunzip->in; /* only read */
	stream->avail_in = (uInt)gunzip->in_left;
	stream->next_out = gunzip->out;
	stream->avail_out = (uInt)gunzip->out_left;
	int result = inflate(stream, Z_NO_FLUSH);
	gunzip->in = stream->next_in;
	gunzip->in_left = stream->avail_in;
	gunzip->out = stream->next_out;
	gunzip->out_left = stream->avail_out;
	gunzip->damage = stream->msg != NULL ? stream->msg : "it cannot be inflated";
	return result == Z_STREAM_END ? GUNZIP_MEMBER_ENDS
		: result == Z_OK || result == Z_BUF_ERROR ? GUNZIP_GOES_ON : GUNZIP_DAMAGED;
}

void gunzip_end(struct gunzip *gunzip) {
	if (gunzip->inflater != NULL)
		inflateEnd(gunzip->inflater);
	free(gunzip->inflater);
}
#endif

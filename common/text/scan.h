/* scan: where the words and the punctuation of a text begin and end. For tokenizer.c alone.
 *
 * ASCII settles most of a text: white space and punctuation separate, letters and digits make words. Whatever else
 * there is, control characters and all beyond ASCII, is only marked here, as a part of the run of bytes that it
 * stands in. */
#ifndef CLOZE_TEXT_SCAN_H
#define CLOZE_TEXT_SCAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SCAN_BYTES 4096
#define SCAN_BLOCK 64 /* bytes that are looked at together */

/* Places in the text are counted from 0. */
struct scan {
	size_t count;
	uint16_t first[SCAN_BYTES];     /* [count] where a punctuation character, or a run of what is neither that nor white
	                                 * space, begins, */
	uint16_t past[SCAN_BYTES];      /* and past its end */
	uint16_t other[SCAN_BYTES + 1]; /* every byte of a run that is no letter or digit; UINT16_MAX ends them */
	char text[SCAN_BYTES + SCAN_BLOCK]; /* the bytes themselves, A to Z in lower case where so asked */
};

/* Scans the beginning of the text, at most SCAN_BYTES. Returns how many bytes that makes: a run that may go on past the
 * bytes scanned is left for the next scan, unless it is all there is. */
size_t scan_text(struct scan *scan, const char *text, size_t length, bool lowercase);

/* Whether the byte is white space or punctuation to the scan. */
bool scan_separates(char byte);

/* What the bytes of a block are, the first in the lowest bit; the rest are white space. */
struct scan_block { uint64_t run, punctuation, other; };

/* The kernels: tell what the bytes of whole blocks are, and copy them to `copy`, A to Z in lower case where so asked;
 * `copy` may be `text`. The first runs anywhere, scan_blocks_avx2() where scan_has_avx2(). */
typedef void scan_kernel(const char *text, size_t count, bool lowercase, struct scan_block *blocks, char *copy);
scan_kernel scan_blocks_portable, scan_blocks_avx2;
bool scan_has_avx2(void);

#endif

/* kernels_amx: products of packed rows in bfloat16 by the tiles of x86-64 processors with AMX. (Intel 64 and IA-32
 * Architectures Software Developer's Manual, volume 1, chapter 18.)
 *
 * A tile has 16 rows of 64 bytes. TDPBF16PS multiplies a tile of 16 rows of 32 numbers by one of 16 pairs of numbers for
 * each of 16 columns. The weights are the former, as they lie in memory, so that only the few rows of x have to be packed;
 * what comes out has a row for each output, and is transposed. */
#include "math/kernels_amx.h"

#ifdef CLOZE_X86_KERNELS
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "math/kernels_avx512.h"

enum { TILE = 16, DEPTH = 32, PANEL = 2 * TILE };

/* The tiles: left and right rows of x, upper and lower outputs. Their numbers are parts of instructions' names, so they are
 * macros. */
#define UPPER_LEFT 0
#define UPPER_RIGHT 1
#define LOWER_LEFT 2
#define LOWER_RIGHT 3
#define UPPER 4
#define LOWER 5
#define LEFT 6
#define RIGHT 7

bool amx_is_there(void) {
	enum { REQUEST_STATE = 0x1023, TILES = 18 }; /* ARCH_REQ_XCOMP_PERM, which headers older than Linux 5.16 lack */
	const unsigned int bf16 = 1u << 22, tiles = 1u << 24;
	unsigned int a, b, c, d;
	return __get_cpuid_count(7, 0, &a, &b, &c, &d) != 0 && (d & bf16) != 0 && (d & tiles) != 0
		&& syscall(SYS_arch_prctl, REQUEST_STATE, TILES) == 0;
}

/* Exchanges the squares beside the diagonal, of a constant side, so that all of them stay in registers. */
__attribute__((always_inline))
static inline void exchange(floats x[TILE], const int side) {
	const integers odd = (lanes() & side) != 0;
	const __m512i even_lanes = (__m512i)((~odd & lanes()) | (odd & (lanes() + TILE - side)));
	const __m512i odd_lanes = (__m512i)((~odd & (lanes() + side)) | (odd & (lanes() + TILE)));
#pragma GCC unroll 8
	for (int pair = 0; pair < TILE / 2; pair++) {
		const int row = pair / side * 2 * side + pair % side;
		const floats above = x[row], below = x[row + side];
		x[row] = _mm512_permutex2var_ps(above, even_lanes, below);
		x[row + side] = _mm512_permutex2var_ps(above, odd_lanes, below);
	}
}

/* Exchanges rows and lanes. */
static inline void transpose(floats x[TILE]) {
	exchange(x, 8);
	exchange(x, 4);
	exchange(x, 2);
	exchange(x, 1);
}

/* Loads up to TILE rows of up to DEPTH numbers as a square of words, two numbers each, with a row's words in one lane. */
static inline void load_transposed(floats square[TILE], const bfloat16 *x, size_t rows, size_t columns, size_t stride) {
	const __mmask32 mask = columns < DEPTH ? (1u << columns) - 1 : ~0u;
	for (size_t r = 0; r < TILE; r++)
		square[r] = r < rows ? (floats)_mm512_maskz_loadu_epi16(mask, x + r * stride) : (floats){ 0 };
	transpose(square);
}

void pack_rows_amx(bfloat16 *packed, const bfloat16 *x, size_t rows, size_t inputs, size_t stride) {
	for (size_t first = 0; first < rows; first += TILE) {
		bfloat16 *panel = packed + first / PANEL * PANEL * packed_inputs(inputs) + first % PANEL * 2;
		for (size_t i = 0; i < inputs; i += DEPTH) {
			floats square[TILE];
			load_transposed(square, x + first * stride + i, rows - first, inputs - i, stride);
			for (size_t word = 0; word < TILE; word++)
				memcpy(panel + (i / 2 + word) * 2 * PANEL, &square[word], sizeof square[word]);
		}
	}
}

/* What picks the even numbers out of two vectors, or, from 1 on, the odd ones. */
static inline __m512i every_second(uint16_t first) {
	uint16_t numbers[DEPTH];
	for (int i = 0; i < DEPTH; i++)
		numbers[i] = (uint16_t)(2 * i + first);
	return _mm512_loadu_si512(numbers);
}

/* Two squares of words, above each other, give whole cache lines. The rows after them are fetched meanwhile. */
void transpose_amx(bfloat16 *y, const bfloat16 *x, size_t N, size_t C, size_t y_stride, size_t x_stride) {
	const __m512i picks[] = { every_second(0), every_second(1) };
	for (size_t n = 0; n < N; n += DEPTH)
		for (size_t c = 0; c < C; c += DEPTH) {
			const bfloat16 *corner = x + n * x_stride + c;
			const __mmask32 rows = N - n < DEPTH ? (1u << (N - n)) - 1 : ~0u;
			floats above[TILE], below[TILE];
			for (size_t r = 0; r < DEPTH; r++)
				__builtin_prefetch(corner + (DEPTH + r) * x_stride, 0, 2);
			load_transposed(above, corner, N - n, C - c, x_stride);
			load_transposed(below, corner + TILE * x_stride, N - n > TILE ? N - n - TILE : 0, C - c, x_stride);
			for (size_t i = 0; i < DEPTH && i < C - c; i++)
				_mm512_mask_storeu_epi16(y + (c + i) * y_stride + n, rows,
					_mm512_permutex2var_epi16((__m512i)above[i / 2], picks[i % 2], (__m512i)below[i / 2]));
		}
}

/* Sets the sizes of the tiles for so many outputs, at most 2 TILE. */
static void configure(size_t outputs) {
	struct { uint8_t palette, start, reserved[14]; uint16_t row_bytes[16]; uint8_t rows[16]; } sizes = { .palette = 1 };
	const uint8_t upper = (uint8_t)(outputs < TILE ? outputs : TILE), lower = (uint8_t)(outputs - upper);
	const uint8_t rows[] = { upper, upper, lower, lower, upper, lower, TILE, TILE };
	for (size_t tile = 0; tile < sizeof rows; tile++) {
		sizes.rows[tile] = rows[tile];
		sizes.row_bytes[tile] = rows[tile] > 0 ? TILE * sizeof(float) : 0;
	}
	_tile_loadconfig(&sizes);
}

__attribute__((always_inline))
static inline void add_inputs(const bfloat16 *x, const bfloat16 *w, size_t w_stride, bool lower, bool right) {
	const size_t w_bytes = w_stride * sizeof *w, x_bytes = 2 * PANEL * sizeof *x;
	_tile_loadd(LEFT, x, x_bytes);
	_tile_loadd(UPPER, w, w_bytes);
	_tile_dpbf16ps(UPPER_LEFT, UPPER, LEFT);
	if (right) {
		_tile_loadd(RIGHT, x + 2 * TILE, x_bytes);
		_tile_dpbf16ps(UPPER_RIGHT, UPPER, RIGHT);
	}
	if (lower) {
		_tile_loadd(LOWER, w + TILE * w_stride, w_bytes);
		_tile_dpbf16ps(LOWER_LEFT, LOWER, LEFT);
	}
	if (lower && right)
		_tile_dpbf16ps(LOWER_RIGHT, LOWER, RIGHT);
}

/* Writes what `outputs` sums have become for a row: one vector, and another where there are more than TILE. */
static inline void write_row(const struct few_rows *p, size_t n, size_t o, size_t outputs, const floats sums[2]) {
	floats row[2] = { sums[0], sums[1] };
	const size_t first = outputs < TILE ? outputs : TILE, second = outputs - first;
	if (p->bias != NULL) {
		row[0] += load_some(p->bias + o, first);
		row[1] += load_some(p->bias + o + TILE, second);
	}
	if (p->add) {
		row[0] += load_some(p->y + n * p->y_stride + o, first);
		row[1] += load_some(p->y + n * p->y_stride + o + TILE, second);
	}
	if (p->y_bf16 != NULL) {
		const __m512i rounded = (__m512i)_mm512_cvtne2ps_pbh(row[1], row[0]);
		_mm512_mask_storeu_epi16(p->y_bf16 + n * p->y_stride + o, (__mmask32)((1ull << outputs) - 1), rounded);
	} else {
		store_some(p->y + n * p->y_stride + o, row[0], first);
		store_some(p->y + n * p->y_stride + o + TILE, row[1], second);
	}
}

/* Writes the results of rows n and on, of a panel, and outputs o and on. sums is [outputs][rows]. */
static void write_panel(const struct few_rows *p, size_t n, size_t o, size_t outputs, float sums[2 * TILE][PANEL]) {
	for (size_t first = 0; first < PANEL && first < p->rows - n; first += TILE) {
		floats upper[TILE], lower[TILE] = { { 0 } };
		for (size_t k = 0; k < TILE; k++) {
			memcpy(&upper[k], sums[k] + first, sizeof upper[k]);
			if (outputs > TILE)
				memcpy(&lower[k], sums[TILE + k] + first, sizeof lower[k]);
		}
		transpose(upper);
		transpose(lower);
		for (size_t r = 0; r < TILE && r < p->rows - n - first; r++)
			write_row(p, n + first + r, o, outputs, (floats[]){ upper[r], lower[r] });
	}
}

/* Rows n and on, of one panel, and outputs o and on, as many as the tiles are configured for. Whole panels share in fetching
 * the next outputs' weights, which takes longer than multiplying them; for fewer rows, the processor fetches as fast. */
static void multiply_panel(const struct few_rows *p, size_t n, size_t o, size_t outputs) {
	const bfloat16 *x = (const bfloat16 *)p->x + n * packed_inputs(p->inputs);
	const bfloat16 *w = (const bfloat16 *)p->w + o * p->w_stride;
	const bool right = p->rows - n > TILE, lower = outputs > TILE;
	const size_t panels = (p->rows + PANEL - 1) / PANEL;
	size_t i = 0;
	_tile_zero(UPPER_LEFT);
	_tile_zero(UPPER_RIGHT);
	if (lower) {
		_tile_zero(LOWER_LEFT);
		_tile_zero(LOWER_RIGHT);
	}
	for (; i + DEPTH <= p->inputs && lower && right; i += DEPTH) {
		for (size_t k = n / PANEL; k < 2 * TILE; k += panels)
			__builtin_prefetch(w + (2 * TILE + k) * p->w_stride + i, 0, 2);
		add_inputs(x + i * PANEL, w + i, p->w_stride, true, true);
	}
	for (; i + DEPTH <= p->inputs; i += DEPTH)
		add_inputs(x + i * PANEL, w + i, p->w_stride, lower, right);
	if (i < p->inputs) {
		bfloat16 last[2 * TILE][DEPTH] = { { 0 } };
		for (size_t k = 0; k < outputs; k++)
			memcpy(last[k], w + k * p->w_stride + i, (p->inputs - i) * sizeof *w);
		add_inputs(x + i * PANEL, last[0], DEPTH, lower, right);
	}
	float sums[2 * TILE][PANEL] = { { 0 } };
	_tile_stored(UPPER_LEFT, sums[0], sizeof sums[0]);
	_tile_stored(UPPER_RIGHT, sums[0] + TILE, sizeof sums[0]);
	if (lower) {
		_tile_stored(LOWER_LEFT, sums[TILE], sizeof sums[0]);
		_tile_stored(LOWER_RIGHT, sums[TILE] + TILE, sizeof sums[0]);
	}
	write_panel(p, n, o, outputs, sums);
}

void multiply_packed_amx(const struct few_rows *p) {
	const size_t whole = p->outputs / (2 * TILE) * (2 * TILE), left = p->outputs - whole;
	configure(2 * TILE);
	for (size_t o = 0; o < whole; o += 2 * TILE)
		for (size_t n = 0; n < p->rows; n += PANEL)
			multiply_panel(p, n, o, 2 * TILE);
	if (left > 0)
		configure(left);
	for (size_t n = 0; n < p->rows && left > 0; n += PANEL)
		multiply_panel(p, n, whole, left);
	_tile_release();
}
#endif

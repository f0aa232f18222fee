/* oneDNN's matrix product takes its sizes when it runs, so eight primitives, made at the first use, serve all shapes and
 * threads. Without oneDNN or the processor for it, operands are widened to floats, whose products are exact. */
#include "math/matrix_bf16.h"

#include <stdlib.h>
#include <string.h>

#include "cli/cli.h"

/* The operands in single precision, in memory of their own, multiplied there. */
static void multiply_widened(const struct product *product) {
	const struct matrix *operands[2] = { &product->a, &product->b };
	struct product widened = *product;
	struct matrix *wide[2] = { &widened.a, &widened.b };
	const size_t rows[2] = { product->transpose_a ? product->inner : product->rows,
		product->transpose_b ? product->columns : product->inner };
	const size_t columns[2] = { product->transpose_a ? product->rows : product->inner,
		product->transpose_b ? product->inner : product->columns };
	for (int i = 0; i < 2; i++) {
		*wide[i] = (struct matrix){ .fp32 = allocate(rows[i] * columns[i], sizeof(float)), .stride = columns[i] };
		for (size_t r = 0; r < rows[i]; r++)
			for (size_t c = 0; c < columns[i]; c++) {
				const uint32_t bits = (uint32_t)operands[i]->bf16[r * operands[i]->stride + c] << 16;
				memcpy(&wide[i]->fp32[r * columns[i] + c], &bits, sizeof bits);
			}
	}
	multiply(&widened);
	free(widened.a.fp32);
	free(widened.b.fp32);
}

#ifdef CLOZE_DNNL
#include <dnnl.h>
#include <pthread.h>

/* OpenMP's, which oneDNN divides its work by: a setting of each thread's own. (Not every compiler has omp.h.) */
void omp_set_num_threads(int threads);

static pthread_once_t once = PTHREAD_ONCE_INIT;
static bool fast;
static dnnl_engine_t engine;
static dnnl_stream_t stream;
static dnnl_primitive_t primitives[2][2][2]; /* transpose_a, transpose_b, add */

/* oneDNN refuses what it is given, or finds no memory: neither depends on the data. */
static void must(dnnl_status_t status) {
	if (status != dnnl_success)
		die(EX_OSERR, "oneDNN: failed with status %d (use --dtype fp32)", (int)status);
}

static dnnl_memory_desc_t describe(dnnl_dim_t rows, dnnl_dim_t columns, dnnl_data_type_t type, dnnl_dim_t stride,
	bool transposed) {
	const dnnl_dims_t sizes = { rows, columns }, strides = { transposed ? 1 : stride, transposed ? stride : 1 };
	dnnl_memory_desc_t description;
	must(dnnl_memory_desc_init_by_strides(&description, 2, sizes, type, strides));
	return description;
}

static dnnl_primitive_t create_primitive(bool transpose_a, bool transpose_b, bool add) {
	const dnnl_dim_t later = DNNL_RUNTIME_DIM_VAL;
	const dnnl_memory_desc_t a = describe(later, later, dnnl_bf16, later, transpose_a);
	const dnnl_memory_desc_t b = describe(later, later, dnnl_bf16, later, transpose_b);
	const dnnl_memory_desc_t c = describe(later, later, dnnl_f32, later, false);
	dnnl_matmul_desc_t matmul;
	dnnl_post_ops_t post_ops;
	dnnl_primitive_attr_t attributes;
	dnnl_primitive_desc_t description;
	dnnl_primitive_t primitive;
	must(dnnl_post_ops_create(&post_ops));
	if (add)
		must(dnnl_post_ops_append_sum(post_ops, 1));
	must(dnnl_primitive_attr_create(&attributes));
	must(dnnl_primitive_attr_set_post_ops(attributes, post_ops));
	must(dnnl_matmul_desc_init(&matmul, &a, &b, NULL, &c));
	must(dnnl_primitive_desc_create(&description, &matmul, attributes, engine, NULL));
	must(dnnl_primitive_create(&primitive, description));
	dnnl_primitive_desc_destroy(description);
	dnnl_primitive_attr_destroy(attributes);
	dnnl_post_ops_destroy(post_ops);
	return primitive;
}

static void prepare(void) {
	fast = (dnnl_get_effective_cpu_isa() & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16;
	if (!fast)
		return;
	omp_set_num_threads(1);
	must(dnnl_engine_create(&engine, dnnl_cpu, 0));
	must(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
	for (int variant = 0; variant < 8; variant++)
		primitives[variant >> 2][variant >> 1 & 1][variant & 1] =
			create_primitive(variant >> 2, variant >> 1 & 1, variant & 1);
}

bool bf16_is_fast(void) {
	pthread_once(&once, prepare);
	return fast;
}

static dnnl_memory_t borrow(size_t rows, size_t columns, dnnl_data_type_t type, void *numbers, size_t stride,
	bool transposed) {
	const dnnl_memory_desc_t description = describe((dnnl_dim_t)rows, (dnnl_dim_t)columns, type, (dnnl_dim_t)stride,
		transposed);
	dnnl_memory_t memory;
	must(dnnl_memory_create(&memory, &description, engine, numbers));
	return memory;
}

void multiply_bf16(const struct product *p) {
	if (!bf16_is_fast()) {
		multiply_widened(p);
		return;
	}
	const dnnl_exec_arg_t arguments[] = {
		{ DNNL_ARG_SRC, borrow(p->rows, p->inner, dnnl_bf16, p->a.bf16, p->a.stride, p->transpose_a) },
		{ DNNL_ARG_WEIGHTS, borrow(p->inner, p->columns, dnnl_bf16, p->b.bf16, p->b.stride, p->transpose_b) },
		{ DNNL_ARG_DST, borrow(p->rows, p->columns, dnnl_f32, p->c, p->ldc, false) },
	};
	omp_set_num_threads(1);
	must(dnnl_primitive_execute(primitives[p->transpose_a][p->transpose_b][p->add], stream, 3, arguments));
	must(dnnl_stream_wait(stream));
	for (size_t i = 0; i < 3; i++)
		dnnl_memory_destroy(arguments[i].memory);
}

#else

bool bf16_is_fast(void) {
	return false;
}

void multiply_bf16(const struct product *p) {
	multiply_widened(p);
}

#endif

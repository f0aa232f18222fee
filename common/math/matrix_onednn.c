/* matrix_onednn: computes products by oneDNN, version 2 or 3.
 *
 * For floats, oneDNN has the sgemm() of BLAS. A product in bfloat16 is a primitive, which is created here without
 * sizes: it gets them when it runs, so eight primitives, created at the first use, serve all shapes and threads.
 *
 * The makefile sets CLOZE_DNNL to the interface that programs link with: 2 or 3. (oneDNN 3 replaced the structures that
 * describe memory and operations by handles.) */
#include "math/matrix_onednn.h"

#ifdef CLOZE_DNNL
#include <dnnl.h>
#include <pthread.h>

#include "base/memory.h"

/* Sets the number of OpenMP threads for calls from this thread; oneDNN runs on these. (clang may lack omp.h, so the
 * function is declared here.) */
void omp_set_num_threads(int threads);

static pthread_once_t asked = PTHREAD_ONCE_INIT, prepared = PTHREAD_ONCE_INIT;
static struct onednn fast;
static dnnl_engine_t engine;
static dnnl_stream_t stream;
static dnnl_primitive_t primitives[2][2][2]; /* products in bfloat16: [transpose_a][transpose_b][add] */

/* On a processor with AVX2 but without AVX-512, OpenBLAS is as fast. */
static void ask(void) {
	const int known = (int)dnnl_get_effective_cpu_isa();
	fast.fp32 = (known & dnnl_cpu_isa_avx512_core) == dnnl_cpu_isa_avx512_core;
	fast.bf16 = (known & dnnl_cpu_isa_avx512_core_bf16) == dnnl_cpu_isa_avx512_core_bf16;
}

struct onednn onednn_is_fast(void) {
	pthread_once(&asked, ask);
	return fast;
}

/* oneDNN supports every product that is asked of it here, so a call fails only when memory is exhausted. */
static void must(dnnl_status_t status) {
	if (status != dnnl_success)
		memory_exhausted();
}

/* The description of a matrix is a structure in oneDNN 2 and a handle that has to be destroyed in oneDNN 3. The
 * functions below hide the difference: the rest of the file uses only describe(), described(), forget(), append_sum()
 * and describe_product(). */
static dnnl_memory_desc_t describe(dnnl_dim_t rows, dnnl_dim_t columns, dnnl_data_type_t type, dnnl_dim_t stride,
	bool transposed) {
	const dnnl_dims_t sizes = { rows, columns }, strides = { transposed ? 1 : stride, transposed ? stride : 1 };
	dnnl_memory_desc_t description;
#if CLOZE_DNNL == 2
	must(dnnl_memory_desc_init_by_strides(&description, 2, sizes, type, strides));
#else
	must(dnnl_memory_desc_create_with_strides(&description, 2, sizes, type, strides));
#endif
	return description;
}

#if CLOZE_DNNL == 2
static const dnnl_memory_desc_t *described(const dnnl_memory_desc_t *description) {
	return description;
}

static void forget(dnnl_memory_desc_t *description) {
	(void)description;
}

static void append_sum(dnnl_post_ops_t post_ops) {
	must(dnnl_post_ops_append_sum(post_ops, 1));
}

static dnnl_primitive_desc_t describe_product(const dnnl_memory_desc_t *a, const dnnl_memory_desc_t *b,
	const dnnl_memory_desc_t *c, dnnl_primitive_attr_t attributes) {
	dnnl_matmul_desc_t matmul;
	dnnl_primitive_desc_t description;
	must(dnnl_matmul_desc_init(&matmul, a, b, NULL, c));
	must(dnnl_primitive_desc_create(&description, &matmul, attributes, engine, NULL));
	return description;
}
#else
static const_dnnl_memory_desc_t described(const dnnl_memory_desc_t *description) {
	return *description;
}

static void forget(dnnl_memory_desc_t *description) {
	dnnl_memory_desc_destroy(*description);
}

static void append_sum(dnnl_post_ops_t post_ops) {
	must(dnnl_post_ops_append_sum(post_ops, 1, 0, dnnl_data_type_undef));
}

static dnnl_primitive_desc_t describe_product(const_dnnl_memory_desc_t a, const_dnnl_memory_desc_t b,
	const_dnnl_memory_desc_t c, dnnl_primitive_attr_t attributes) {
	dnnl_primitive_desc_t description;
	must(dnnl_matmul_primitive_desc_create(&description, engine, a, b, NULL, c, attributes));
	return description;
}
#endif

static dnnl_primitive_attr_t create_attributes(bool add) {
	dnnl_post_ops_t post_ops;
	dnnl_primitive_attr_t attributes;
	must(dnnl_post_ops_create(&post_ops));
	if (add)
		append_sum(post_ops);
	must(dnnl_primitive_attr_create(&attributes));
	must(dnnl_primitive_attr_set_post_ops(attributes, post_ops));
	dnnl_post_ops_destroy(post_ops);
	return attributes;
}

static dnnl_primitive_t create_primitive(bool transpose_a, bool transpose_b, bool add) {
	const dnnl_dim_t later = DNNL_RUNTIME_DIM_VAL;
	dnnl_memory_desc_t a = describe(later, later, dnnl_bf16, later, transpose_a);
	dnnl_memory_desc_t b = describe(later, later, dnnl_bf16, later, transpose_b);
	dnnl_memory_desc_t c = describe(later, later, dnnl_f32, later, false);
	dnnl_primitive_attr_t attributes = create_attributes(add);
	dnnl_primitive_desc_t description = describe_product(described(&a), described(&b), described(&c), attributes);
	dnnl_primitive_t primitive;
	must(dnnl_primitive_create(&primitive, description));
	dnnl_primitive_desc_destroy(description);
	dnnl_primitive_attr_destroy(attributes);
	forget(&a);
	forget(&b);
	forget(&c);
	return primitive;
}

static void prepare(void) {
	must(dnnl_engine_create(&engine, dnnl_cpu, 0));
	must(dnnl_stream_create(&stream, engine, dnnl_stream_default_flags));
	for (int variant = 0; variant < 8; variant++)
		primitives[variant >> 2][variant >> 1 & 1][variant & 1] =
			create_primitive(variant >> 2, variant >> 1 & 1, variant & 1);
}

static dnnl_memory_t borrow(size_t rows, size_t columns, dnnl_data_type_t type, void *numbers, size_t stride,
	bool transposed) {
	dnnl_memory_desc_t description = describe((dnnl_dim_t)rows, (dnnl_dim_t)columns, type, (dnnl_dim_t)stride,
		transposed);
	dnnl_memory_t memory;
	must(dnnl_memory_create(&memory, described(&description), engine, numbers));
	forget(&description);
	return memory;
}

static void multiply_bf16(const struct product *p) {
	pthread_once(&prepared, prepare);
	const dnnl_exec_arg_t arguments[] = {
		{ DNNL_ARG_SRC, borrow(p->rows, p->inner, dnnl_bf16, p->a.bf16, p->a.stride, p->transpose_a) },
		{ DNNL_ARG_WEIGHTS, borrow(p->inner, p->columns, dnnl_bf16, p->b.bf16, p->b.stride, p->transpose_b) },
		{ DNNL_ARG_DST, borrow(p->rows, p->columns, dnnl_f32, p->c, p->ldc, false) },
	};
	must(dnnl_primitive_execute(primitives[p->transpose_a][p->transpose_b][p->add], stream, 3, arguments));
	must(dnnl_stream_wait(stream));
	for (size_t i = 0; i < 3; i++)
		dnnl_memory_destroy(arguments[i].memory);
}

void multiply_onednn(const struct product *p) {
	omp_set_num_threads(1);
	if (is_bf16(p))
		multiply_bf16(p);
	else
		must(dnnl_sgemm(p->transpose_a ? 'T' : 'N', p->transpose_b ? 'T' : 'N', (dnnl_dim_t)p->rows,
			(dnnl_dim_t)p->columns, (dnnl_dim_t)p->inner, 1, p->a.fp32, (dnnl_dim_t)p->a.stride, p->b.fp32,
			(dnnl_dim_t)p->b.stride, p->add ? 1 : 0, p->c, (dnnl_dim_t)p->ldc));
}

#else

struct onednn onednn_is_fast(void) {
	return (struct onednn){ false, false };
}

void multiply_onednn(const struct product *product) {
	(void)product;
}

#endif

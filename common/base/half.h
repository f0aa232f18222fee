/* half: numbers of 16 bits, IEEE 754 binary16, to and from floats. Every half is a float; a float is rounded to the
 * nearest half, ties to even, and is infinite from 65520 on. 1 bit is the sign, 5 are the exponent, 10 the fraction. */
#ifndef CLOZE_BASE_HALF_H
#define CLOZE_BASE_HALF_H

#include <stdint.h>
#include <string.h>

static inline float half_to_float(uint16_t half) {
	uint32_t bits = (uint32_t)(half & 0x7fff) << 13, sign = (uint32_t)(half & 0x8000) << 16;
	float value;
	memcpy(&value, &bits, sizeof value);
	value *= 0x1p112f; /* between the biases of the exponents, 15 and 127; subnormal halves become normal */
	memcpy(&bits, &value, sizeof bits);
	bits |= ((half & 0x7c00) == 0x7c00 ? 0x7f800000u : 0) | sign;
	memcpy(&value, &bits, sizeof value);
	return value;
}

static inline uint16_t float_to_half(float value) {
	uint32_t bits, magnitude;
	memcpy(&bits, &value, sizeof bits);
	uint16_t sign = (uint16_t)(bits >> 16 & 0x8000);
	magnitude = bits & 0x7fffffff;
	if (magnitude > 0x7f800000)
		return sign | 0x7e00;                              /* not a number */
	if (magnitude >= 0x477ff000)
		return sign | 0x7c00;                              /* 65520 and more */
	if (magnitude >= 0x38800000)                           /* 2^-14, the least normal half */
		return (uint16_t)(sign | (magnitude + 0xfff + (magnitude >> 13 & 1) - (112u << 23)) >> 13);
	memcpy(&value, &magnitude, sizeof value);
	value += 0.5f;                                         /* whose unit in the last place is 2^-24, a subnormal half's */
	memcpy(&bits, &value, sizeof bits);
	return (uint16_t)(sign | (bits - 0x3f000000));
}

#endif

/* decimal.c - where a decimal number ends in a text. */
#include "base/decimal.h"

#include <string.h>

static size_t digits(const char *text) { return strspn(text, "0123456789"); }

const char *lenet_decimal_end(const char *text) {
    text += *text == '-';
    const size_t whole = digits(text), fraction = text[whole] == '.' ? digits(text + whole + 1) : 0;
    if (whole + fraction == 0 || (*text == '0' && (text[1] == 'x' || text[1] == 'X'))) return NULL;
    text += whole;
    if (*text == '.' && text[1] != '.') text += 1 + fraction;
    const size_t sign = *text && text[1] && strchr("+-", text[1]) != NULL;
    if ((*text == 'e' || *text == 'E') && digits(text + 1 + sign)) text += 1 + sign + digits(text + 1 + sign);
    return text;
}

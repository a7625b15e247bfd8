/* conv_params.cu - the gradient of a convolution's parameters on the GPU, also of one that is fused with the maxima of
 * its outputs: a part of the twin of src/cpu/conv.c and src/cpu/conv_maxpool.c.
 *
 * dw[o][c][i][j] sums dy[o][h][w] * x[c][h+i][w+j] over pixels and images. A lane keeps all K*K sums of MAPS maps o and
 * one map c for some of 32 images, and adds a quad of dy at a time, 2 x 2 pixels. It reads the quad from global memory,
 * since no other lane of the warp needs it, and the 6 x 6 pixels of x that the quad meets from shared memory, where all
 * warps of the block find them. At last lanes, warps and parts are added, in that order. How the quads are divided
 * depends on one network's sizes only, so that a member of a population gets the bits that it would get alone. */
#include <string.h>

#include "activation.cuh"
#include "gpu.cuh"
#include "ops/conv_maxpool.h"
#include "ops/preconditions.h"

struct conv_params {
    int N, C, H, W, O, K, OH, OW;
    unsigned spans, bands; /* of columns and of rows of dy: one of each, for 32 images, is a unit */
    int first, parts;      /* units of a launch, whose sums are a part each                       */
    int inputs;            /* groups of maps c                                                    */
    unsigned count;        /* O*C*K*K + O                                                         */
    size_t stride;
    const float *x, *dy;
    const float *y; /* NULL, or dy is that of y, which has the maxima of 2 x 2 windows, from these places */
    const uint8_t *place;
    enum lenet_activation activation;
    float *sums; /* [R][parts][count]: first dw, then db */
    float *dw, *db;
    int has_table;
    uint32_t table[LENET_TABLE_MAPS];
};

enum {
    PARAMS_K = 5,
    TAPS = PARAMS_K * PARAMS_K,
    PARAMS_WARPS = 4,
    PARAMS_BLOCKS = 3, /* of each SM at a time, which leaves 168 registers */
};

/* How a block divides a unit among its warps. A warp has one of GROUPS groups of maps o, one of INPUTS maps c, and
 * every TURNS-th quad of a row of quads. Either half of the warp has MAPS maps o of the group. A lane has IMAGES
 * images, so that PAIRS rows of quads, one below the other, keep all lanes of the half busy. */
template <int MAPS_, int IMAGES_, int GROUPS_, int INPUTS_, int TURNS_, int SPAN_> struct params_shape {
    enum {
        MAPS = MAPS_,
        IMAGES = IMAGES_,
        GROUPS = GROUPS_,
        INPUTS = INPUTS_,
        TURNS = TURNS_,
        SPAN = SPAN_,                          /* columns of dy                                      */
        PAIRS = HALF_WARP * IMAGES / WARP,     /* of rows of dy                                      */
        ROWS = 2 * PAIRS + PARAMS_K - 1,       /* of x                                               */
        COLUMNS = SPAN + PARAMS_K - 1,         /* of x                                               */
        TILE = INPUTS * ROWS * COLUMNS * WARP, /* floats of x: [INPUTS][ROWS][COLUMNS][WARP images]  */
        GROUP_MAPS = 2 * MAPS,
    };
    static_assert(GROUPS * INPUTS * TURNS == PARAMS_WARPS, "a warp has one place");
};
/* 6 maps o are three for each half of a warp, and a single map c leaves only quads to divide; 16 maps o are four for
 * each half of two warps. */
struct few_maps : params_shape<3, 4, 1, 1, 4, 28> {};
struct many_maps : params_shape<4, 2, 2, 2, 1, 12> {};

/* A pixel of a lane's images. */
template <int IMAGES> struct pixel { float of[IMAGES]; };
template <class Pointer> static __device__ __forceinline__ void load_pixel(const Pointer &from, int i, pixel<2> &p) {
    const float2 v = load2(from, i);
    p.of[0] = v.x, p.of[1] = v.y;
}
template <class Pointer> static __device__ __forceinline__ void load_pixel(const Pointer &from, int i, pixel<4> &p) {
    const float4 v = load4(from, i);
    p.of[0] = v.x, p.of[1] = v.y, p.of[2] = v.z, p.of[3] = v.w;
}

/* Where column w of a row begins; rows are counted over all maps of all networks. */
static __device__ const float *pixel_of(const float *tensor, unsigned row, int W, int w, unsigned N) {
    static_assert((uint64_t)LENET_MAX_NETWORKS * LENET_MAX_MAPS * LENET_MAX_SIDE <= UINT32_MAX, "rows have 32 bits");
    return tensor + ((size_t)row * W + w) * N;
}

/* Copies the pixels of x that a unit meets into shared memory. x: the first of them; inputs, rows and columns: so many
 * there are from it on. What would lie outside is copied from the edge, and meets dy that is 0: sums become others by
 * it only where x is NaN or infinite, and some are NaN anyway. */
template <class Shape, class Shared>
static __device__ __forceinline__ void stage_x(const conv_params &a, const float *x, int inputs, int rows, int columns,
                                               Shared &tile) {
    enum { AT_ONCE = PARAMS_WARPS * WARP / 8, TURNS = Shape::COLUMNS / AT_ONCE }; /* columns; 8 threads have one */
    static_assert(Shape::COLUMNS % AT_ONCE == 0, "no thread is idle");
    const unsigned N = a.N, line = a.W * N;
    const int thread = threadIdx.y * WARP + threadIdx.x, column = thread / 8, image = thread % 8 * 4;
#pragma unroll
    for (int input = 0; input < Shape::INPUTS; input++) {
        if (input > 0 && input < inputs) x += (size_t)a.H * line;
        const float *from[TURNS];
#pragma unroll
        for (int k = 0; k < TURNS; k++) from[k] = x + (unsigned)min(k * AT_ONCE + column, columns - 1) * N + image;
#pragma unroll
        for (int row = 0; row < Shape::ROWS; row++) {
#pragma unroll
            for (int k = 0; k < TURNS; k++) {
                store4(tile, ((input * Shape::ROWS + row) * Shape::COLUMNS + k * AT_ONCE + column) * WARP + image,
                       load4(from[k], 0));
                from[k] += row + 1 < rows ? line : 0;
            }
        }
    }
}

/* Reads quads of dy of some maps, pixel [row][column]; dy points to the first pixel of the first map. So many rows and
 * columns of dy are there from this pixel on; what lies outside is 0. */
template <int MAPS, int IMAGES>
static __device__ __forceinline__ void load_quads(const conv_params &a, const float *dy, int rows, int columns,
                                                  pixel<IMAGES> (&quad)[MAPS][2][2]) {
    const unsigned N = a.N, next_row = rows > 1 ? a.OW * N : 0, next = columns > 1 ? N : 0;
    const size_t map_size = (size_t)(unsigned)(a.OH * a.OW) * N;
#pragma unroll
    for (int t = 0; t < MAPS; t++) {
        const float *map = dy + t * map_size;
        load_pixel(map, 0, quad[t][0][0]);
        load_pixel(map + next, 0, quad[t][0][1]);
        load_pixel(map + next_row, 0, quad[t][1][0]);
        load_pixel(map + (next_row + next), 0, quad[t][1][1]);
    }
    if (rows > 1 && columns > 1) return;
#pragma unroll
    for (int k = 0; k < MAPS * 4; k++)
        if (k / 2 % 2 >= rows || k % 2 >= columns) quad[k / 4][k / 2 % 2][k % 2] = {};
}

/* The places of a lane's images, a byte each. */
static __device__ __forceinline__ uint32_t load_places(const uint8_t *from, pixel<4>) {
    return *reinterpret_cast<const uint32_t *>(from);
}

template <enum lenet_activation F, int MAPS, int IMAGES>
static __device__ __forceinline__ void gradients(const pixel<IMAGES> (&y)[MAPS], pixel<IMAGES> (&dy)[MAPS]) {
#pragma unroll
    for (int k = 0; k < MAPS * IMAGES; k++) {
        float &d = dy[k / IMAGES].of[k % IMAGES];
        d = activation_gradient(y[k / IMAGES].of[k % IMAGES], d, F);
    }
}

/* The same quads where dy is that of maxima: a quad is a window, and `at` the place of the first map's in y. The pixel
 * that was the maximum has the gradient, the others have none. */
template <int MAPS, int IMAGES>
static __device__ __forceinline__ void expand_quads(const conv_params &a, size_t at, int rows,
                                                    pixel<IMAGES> (&quad)[MAPS][2][2]) {
    const size_t map_size = (size_t)(unsigned)(a.OH / 2 * (a.OW / 2)) * (unsigned)a.N;
    pixel<IMAGES> y[MAPS], dy[MAPS];
    uint32_t places[MAPS];
#pragma unroll
    for (int t = 0; t < MAPS; t++, at += map_size) {
        load_pixel(a.y + at, 0, y[t]);
        load_pixel(a.dy + at, 0, dy[t]);
        places[t] = load_places(a.place + at, y[t]);
    }
    with_activation(a.activation, [&](auto f) { gradients<f.value>(y, dy); });
#pragma unroll
    for (int t = 0; t < MAPS; t++)
#pragma unroll
        for (int k = 0; k < 4; k++)
#pragma unroll
            for (int n = 0; n < IMAGES; n++) {
                const bool largest = (places[t] >> 8 * n & 255) == (uint32_t)k && rows > 0;
                quad[t][k / 2][k % 2].of[n] = largest ? dy[t].of[n] : 0;
            }
}

/* Adds the products of quads of dy and the 6 x 6 pixels of x that they meet, the first of which is tile[at]. */
template <int COLUMNS, int MAPS, int IMAGES, class Shared>
static __device__ __forceinline__ void add_quads(const pixel<IMAGES> (&dy)[MAPS][2][2], const Shared &tile, int at,
                                                 float (&sum)[MAPS][TAPS]) {
#pragma unroll
    for (int k = 0; k < (PARAMS_K + 1) * (PARAMS_K + 1); k++) {
        const int row = k / (PARAMS_K + 1), column = k % (PARAMS_K + 1);
        pixel<IMAGES> x;
        load_pixel(tile, at + (row * COLUMNS + column) * WARP, x);
#pragma unroll
        for (int n = 0; n < IMAGES; n++)
#pragma unroll
            for (int d = 0; d < 4; d++) {
                const int i = row - d / 2, j = column - d % 2; /* of the kernel */
                if (i < 0 || i >= PARAMS_K || j < 0 || j >= PARAMS_K) continue;
#pragma unroll
                for (int t = 0; t < MAPS; t++) {
                    float &s = sum[t][i * PARAMS_K + j];
                    s = fmaf(dy[t][d / 2][d % 2].of[n], x.of[n], s);
                }
            }
    }
}

template <int IMAGES> static __device__ __forceinline__ float quad_sum(const pixel<IMAGES> (&quad)[2][2]) {
    float sum = 0;
#pragma unroll
    for (int n = 0; n < IMAGES; n++) {
        const float of_image = (quad[0][0].of[n] + quad[0][1].of[n]) + (quad[1][0].of[n] + quad[1][1].of[n]);
        sum = n == 0 ? of_image : sum + of_image;
    }
    return sum;
}

/* Of the v of all lanes: lane l gets the sums over its half of the warp of v[tap] and v[tap + 1], where tap is
 * 2 * (l % 16), if there are such. Each lane puts its v into `area`, of LANE_FLOATS for each warp, where two lanes add
 * four neighbours, each of every other lane. */
enum {
    LANE_VALUES = 28,             /* TAPS + 1, in groups of four                                     */
    LANE_STRIDE = 4 * (WARP + 2), /* of a group: lanes that read at a time never use the same bank */
    LANE_FLOATS = LANE_VALUES / 4 * LANE_STRIDE
};
template <class Shared>
static __device__ __forceinline__ float2 half_warp_sums(const float (&v)[LANE_VALUES], const Shared &area) {
    const int lane = threadIdx.x, odd = lane % 2, group = min(lane % HALF_WARP / 2, LANE_VALUES / 4 - 1);
    __syncwarp(); /* the last readers are done */
#pragma unroll
    for (int k = 0; k < LANE_VALUES; k += 4)
        store4(area, k / 4 * LANE_STRIDE + lane * 4, make_float4(v[k], v[k + 1], v[k + 2], v[k + 3]));
    __syncwarp();
    const int first = group * LANE_STRIDE + (lane / HALF_WARP * HALF_WARP + odd) * 4;
    float4 total = load4(area, first);
#pragma unroll
    for (int k = 2; k < HALF_WARP; k += 2) {
        const float4 more = load4(area, first + k * 4);
        total = make_float4(total.x + more.x, total.y + more.y, total.z + more.z, total.w + more.w);
    }
    const float2 mine = odd ? make_float2(total.z, total.w) : make_float2(total.x, total.y);
    const float2 theirs = odd ? make_float2(total.x, total.y) : make_float2(total.z, total.w);
    return make_float2(mine.x + __shfl_xor_sync(0xffffffffu, theirs.x, 1),
                       mine.y + __shfl_xor_sync(0xffffffffu, theirs.y, 1));
}

/* What a warp of a block does. */
struct params_place {
    int turn, input, pair, image; /* its quads, its map c of the block's, a lane's row of quads and first image */
    int c, o_first;               /* map c, and the first map o of this half of the warp                        */
    int written;                  /* so many of these are not to be written: another half has them, or nobody   */
};

/* Where the last group of maps o is not whole, half a warp has the last MAPS of them, some for the second time. */
template <class Shape> static __device__ __forceinline__ params_place place_of(const conv_params &a) {
    enum { MAPS = Shape::MAPS, LANES = WARP / Shape::IMAGES };
    const int lane = threadIdx.x, warp = threadIdx.y;
    params_place at = {};
    at.turn = (warp + blockIdx.x) % Shape::TURNS; /* who has one quad more is not always the same warp */
    at.input = warp / Shape::TURNS % Shape::INPUTS;
    at.pair = lane % HALF_WARP / LANES;
    at.image = lane % LANES * Shape::IMAGES;
    at.c = (int)(blockIdx.y % a.inputs) * Shape::INPUTS + at.input;
    const int group = (int)(blockIdx.y / a.inputs) * Shape::GROUPS + warp / (Shape::TURNS * Shape::INPUTS);
    const int o = (group * 2 + lane / HALF_WARP) * MAPS;
    at.o_first = min(o, a.O - MAPS);
    at.written = at.c < a.C && group * 2 * MAPS < a.O ? o - at.o_first : MAPS;
    return at;
}

/* Of what half_warp_sums gave: the sum of one tap, from the lane of this half that has it. */
static __device__ __forceinline__ float sum_of_tap(float2 sums, int tap) {
    const int from = (int)threadIdx.x / HALF_WARP * HALF_WARP + tap / 2;
    const float even = __shfl_sync(0xffffffffu, sums.x, from), odd = __shfl_sync(0xffffffffu, sums.y, from);
    return tap % 2 ? odd : even;
}

/* Writes the sums of map o_first + t, neighbours by neighbouring lanes: the gradient of a map's kernel and, for one map
 * c only, that of its bias. */
static __device__ __forceinline__ void write_sums(const conv_params &a, const params_place &at, int t, float2 sums) {
    const int low = threadIdx.x % HALF_WARP, high = low + HALF_WARP, o = at.o_first + t;
    const float of_low = sum_of_tap(sums, low), of_high = sum_of_tap(sums, high);
    float *out = a.sums + ((size_t)blockIdx.z * a.parts + blockIdx.x) * a.count;
    float *dw = out + (unsigned)((o * a.C + at.c) * TAPS);
    if (t < at.written) return;
    dw[low] = of_low;
    if (high < TAPS) dw[high] = of_high;
    if (high == TAPS && at.c == 0) out[(unsigned)(a.O * a.C * TAPS + o)] = of_high;
}

/* A block has one unit, GROUPS groups of maps o and INPUTS maps c of one network. */
template <class Shape, bool POOLED>
static __global__ void __launch_bounds__(WARP *PARAMS_WARPS, PARAMS_BLOCKS) params_kernel(conv_params a) {
    enum { MAPS = Shape::MAPS, TURNS = Shape::TURNS, AREA = PARAMS_WARPS * LANE_FLOATS, TILE = Shape::TILE };
    SHARED(float, tile, TILE > AREA ? TILE : AREA);
    const params_place place = place_of<Shape>(a);
    const unsigned r = blockIdx.z, unit = a.first + blockIdx.x, N = a.N;
    const int n = (int)(unit / a.spans / a.bands) * WARP, w_first = (int)(unit % a.spans) * Shape::SPAN;
    const int h_first = (int)(unit / a.spans % a.bands) * 2 * Shape::PAIRS, h = h_first + 2 * place.pair;
    const int c_first = place.c - place.input;
    stage_x<Shape>(a, pixel_of(a.x, (r * a.C + c_first) * a.H + h_first, a.W, w_first, N) + n, a.C - c_first,
                   a.H - h_first, a.W - w_first, tile);
    __syncthreads();
    float sum[MAPS][TAPS] = {}, bias[MAPS] = {};
    const int map_h = POOLED ? a.OH / 2 : a.OH, map_w = POOLED ? a.OW / 2 : a.OW, side = POOLED ? 1 : 2; /* of dy */
    const unsigned row = (r * a.O + place.o_first) * map_h + min(h / 2 * side, map_h - 1);
    const float *dy = pixel_of(a.dy, row, map_w, (w_first / 2 + place.turn) * side, N) + n + place.image;
    int at = ((place.input * Shape::ROWS + 2 * place.pair) * Shape::COLUMNS + 2 * place.turn) * WARP + place.image;
    int left = place.written < MAPS ? min(a.OW - w_first, (int)Shape::SPAN) - 2 * place.turn : 0; /* columns */
    for (; left > 0; left -= 2 * TURNS) {
        pixel<Shape::IMAGES> quad[MAPS][2][2];
        if constexpr (POOLED)
            expand_quads(a, dy - a.dy, a.OH - h, quad);
        else
            load_quads(a, dy, a.OH - h, left, quad);
        add_quads<Shape::COLUMNS>(quad, tile, at, sum);
        if (place.c == 0) {
#pragma unroll
            for (int t = 0; t < MAPS; t++) bias[t] += quad_sum(quad[t]);
        }
        at += 2 * TURNS * WARP;
        dy += side * TURNS * N;
    }
    __syncthreads(); /* the tile's readers are done */
    SHARED(float2, of_turn, PARAMS_WARPS * MAPS * WARP);
    const int lane = threadIdx.x, warp = threadIdx.y, first_turn = warp / TURNS * TURNS;
#pragma unroll
    for (int t = 0; t < MAPS; t++) {
        float v[LANE_VALUES] = {};
#pragma unroll
        for (int k = 0; k < TAPS; k++) v[k] = sum[t][k];
        v[TAPS] = bias[t];
        const float2 sums = half_warp_sums(v, tile + warp * LANE_FLOATS);
        if (TURNS == 1)
            write_sums(a, place, t, sums);
        else
            of_turn[(t * PARAMS_WARPS + first_turn + place.turn) * WARP + lane] = sums;
    }
    if (TURNS == 1) return;
    static_assert((int)TURNS == 1 || (int)TURNS >= (int)MAPS, "a warp adds all turns of one map");
    __syncthreads();
    if (place.turn >= MAPS) return;
    float2 total = make_float2(0, 0);
#pragma unroll
    for (int k = 0; k < TURNS; k++) {
        const float2 more = of_turn[(place.turn * PARAMS_WARPS + first_turn + k) * WARP + lane];
        total = make_float2(total.x + more.x, total.y + more.y);
    }
    write_sums(a, place, place.turn, total);
}

/* Whether there is a connection for weight e of dw. */
static __device__ bool connected(const conv_params &a, unsigned e) {
    const unsigned pair = e / (a.K * a.K);
    return !a.has_table || (a.table[pair / a.C] >> pair % a.C & 1);
}

/* Adds the parts of dw and db to what earlier launches gave. A block has 32 outputs, of each of which a row of threads
 * adds every PART_ROWS-th part, all of which are read at once: who waits here is alone. */
enum { PART_ROWS = 4 };
static __global__ void __launch_bounds__(WARP *PART_ROWS) add_parts_kernel(conv_params a) {
    static_assert(LENET_PARTS % PART_ROWS == 0, "no part is left out");
    SHARED(float, of_row, PART_ROWS *WARP);
    const unsigned e = blockIdx.x * WARP + threadIdx.x, r = blockIdx.z, weights = a.count - a.O;
    const bool inside = e < a.count;
    const float *part = a.sums + (size_t)r * a.parts * a.count + e;
    float sum = 0;
#pragma unroll
    for (int k = 0; k < LENET_PARTS; k += PART_ROWS) {
        const int p = k + (int)threadIdx.y;
        sum += inside && p < a.parts ? part[(size_t)p * a.count] : 0;
    }
    of_row[threadIdx.y * WARP + threadIdx.x] = sum;
    __syncthreads();
    if (threadIdx.y != 0 || !inside) return;
    float *out = e < weights ? a.dw + r * a.stride + e : a.db + r * a.stride + e - weights;
    float total = a.first > 0 ? *out : 0;
    for (int k = 0; k < PART_ROWS; k++) total += of_row[k * WARP + threadIdx.x];
    *out = e >= weights || connected(a, e) ? total : 0;
}

/* For kernels of other sizes than 5, and for one or two maps. A warp has one output of dw or db. */
static __global__ void params_any_kernel(conv_params a) {
    const int r = blockIdx.z, lane = threadIdx.x, e = blockIdx.x, weights = a.O * a.C * a.K * a.K;
    const bool is_bias = e >= weights;
    const int o = is_bias ? e - weights : e / (a.K * a.K) / a.C, c = is_bias ? 0 : e / (a.K * a.K) % a.C;
    const int i = is_bias ? 0 : e / a.K % a.K, j = is_bias ? 0 : e % a.K;
    const float *x = a.x + (((size_t)r * a.C + c) * a.H * a.W) * a.N + lane;
    const float *dy = a.dy + (((size_t)r * a.O + o) * a.OH * a.OW) * a.N + lane;
    float sum = 0;
    for (int h = 0; h < a.OH; h++)
        for (int w = 0; w < a.OW; w++)
            for (int n = 0; n < a.N; n += WARP) {
                const float g = dy[((size_t)h * a.OW + w) * a.N + n];
                sum = fmaf(g, is_bias ? 1 : x[((size_t)(h + i) * a.W + w + j) * a.N + n], sum);
            }
    sum = warp_sum(sum);
    if (lane != 0) return;
    if (is_bias)
        a.db[r * a.stride + o] = sum;
    else
        a.dw[r * a.stride + e] = connected(a, e) ? sum : 0;
}

/* The sums of as many units at a time as there may be parts. */
template <class Shape, bool POOLED> static enum lenet_status params_units(struct lenet_ctx *ctx, conv_params a, int R) {
    a.spans = pieces(a.OW, Shape::SPAN);
    a.bands = pieces(a.OH, 2 * Shape::PAIRS);
    a.inputs = pieces(a.C, Shape::INPUTS);
    const int units = a.spans * a.bands * (a.N / WARP), groups = pieces(a.O, Shape::GROUP_MAPS * Shape::GROUPS);
    for (a.first = 0; a.first < units; a.first += LENET_PARTS) {
        a.parts = units - a.first < LENET_PARTS ? units - a.first : LENET_PARTS;
        LENET_TRY(gpu_launch(ctx, "conv_backward_params", params_kernel<Shape, POOLED>,
                             dim3(a.parts, groups * a.inputs, R), dim3(WARP, PARAMS_WARPS), 0, a));
        LENET_TRY(gpu_launch(ctx, "conv_backward_params (parts)", add_parts_kernel,
                             dim3(blocks_for(a.count, WARP), 1, R), dim3(WARP, PART_ROWS), 0, a));
    }
    return LENET_OK;
}

static conv_params params_of(const struct conv_backward_params *a) {
    conv_params p = {};
    memcpy(p.table, a->table, sizeof p.table);
    p.has_table = has_table(a->table);
    p.N = a->N;
    p.C = a->C;
    p.H = a->H;
    p.W = a->W;
    p.O = a->O;
    p.K = a->K;
    p.OH = a->H - a->K + 1;
    p.OW = a->W - a->K + 1;
    p.count = p.O * p.C * p.K * p.K + p.O;
    p.stride = a->stride;
    p.x = a->x;
    p.dy = a->dy;
    p.sums = a->scratch;
    p.dw = a->dw;
    p.db = a->db;
    return p;
}

static bool takes_few_maps(const conv_params &p) {
    return p.C == 1 || pieces(p.O, few_maps::MAPS) * few_maps::MAPS < pieces(p.O, many_maps::MAPS) * many_maps::MAPS;
}

static bool takes_quads(const conv_params &p) { return p.K == PARAMS_K && p.O >= few_maps::MAPS; }

extern "C" enum lenet_status conv_backward_params_cuda(struct lenet_ctx *ctx, const struct conv_backward_params *a) {
    const conv_params p = params_of(a);
    if (!takes_quads(p))
        return gpu_launch(ctx, "conv_backward_params", params_any_kernel, dim3(p.count, 1, a->R), dim3(WARP), 0, p);
    return takes_few_maps(p) ? params_units<few_maps, false>(ctx, p, a->R)
                             : params_units<many_maps, false>(ctx, p, a->R);
}

extern "C" enum lenet_status conv_maxpool_backward_params_cuda(struct lenet_ctx *ctx,
                                                               const struct conv_maxpool_backward_params *a) {
    const struct maxpool_backward_input first = gradient_between(a);
    const struct conv_backward_params second = params_of_between(a);
    conv_params p = params_of(&second);
    if (!takes_quads(p) || !takes_few_maps(p)) {
        LENET_TRY(maxpool_backward_input_cuda(ctx, &first));
        return conv_backward_params_cuda(ctx, &second);
    }
    p.dy = a->dy;
    p.y = a->y;
    p.place = a->place;
    p.activation = a->activation;
    return params_units<few_maps, true>(ctx, p, a->R);
}

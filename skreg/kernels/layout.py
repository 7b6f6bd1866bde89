"""Where things lie in the flat arrays, and the integer codes that stand for names inside compiled code.

A network is described to the kernels by two small tables with one row a layer, so that no depth or
width is ever compiled anew:

- `layout` (integers): the layer's shape, the offsets of its weights (fan_in x fan_out, row by row) and
  intercepts in the flat parameter vector, and of its buffers in the workspace;
- `penalties` (float64): the strengths of its l1 and l2 terms, and the dropout rate of its *input*.
"""

CACHE_LINE = 64  # bytes

# columns of `layout`
FAN_IN, FAN_OUT, COEF, INTERCEPT = 0, 1, 2, 3
INPUT, INPUT_STRIDE = 4, 5  # what the layer multiplies: X or the hidden units before it, after dropout
OUTPUT, OUTPUT_STRIDE = 6, 7  # its activations, before dropout; of the last layer: the raw prediction
DELTA = 8  # gradient with respect to its output, strided as the output
ACTIVATION = 9  # IDENTITY, RELU, or the address of another activation's stage
SLOPE = 10  # derivatives of the activations, strided as the output, or NOWHERE
PROX = 11  # address of the stage that finishes rows of weights that an optimizer has moved, or 0; see descent.py
ACTIVITY_VALUE, ACTIVITY_GRADIENT = 12, 13  # addresses of stages where its output is penalised, else 0
PROJECTION = 14  # address of the stage that holds down the norms of columns of weights, or 0
# Of a layer that is normalised, see normalization.py:
NORMALIZE, DENORMALIZE = 15, 16  # addresses of its stages, forward and back, or 0
HAS_STATISTICS = 17  # whether it keeps running statistics: its intercepts then do nothing, and stay as they are
SCALES = 18  # in the parameters: scales, shifts; running means, variances and their weights
NORMALIZED, NORM_SCRATCH = 19, 20  # values before scale and shift, strided as the output; scratch of the stages
# Of the first layer, see augmentation.py:
AUGMENT, MIX_LOSSES, MIXTURE = 21, 22, 23  # addresses of stages, and of what they share, or 0
NOISE = 24  # BERNOULLI, BATCHWISE, or address of the stage that does what dropout of its input is instead; see noise.py
INPUT_NOISE, DEVIATIONS = 25, 26  # of the first layer: address of the stage that adds noise to X or 0; of its numbers
SKIP = 27  # how many of the first layer's last units are a skip connection to the output, see skip.py
# Of a smaller network that a batch passes through, see thinning.py:
THIN, SPREAD = 28, 29  # addresses of stages, the first of all layers, or 0
INPUT_PLACES, INPUT_FACTORS, OUTPUT_PLACES, OUTPUT_FACTORS = 30, 31, 32, 33  # addresses of what they share
WHOLE_PARAMS, WHOLE_LAYOUT, RATES, THINNED_PARAMS = 34, 35, 36, 37  # and of the two networks, in the first layer's row
SPARSE_SUMS, SPARSE_GRADIENT = 38, 39  # of the first layer: addresses of its stages for CSR X, or 0
ACTIVITY_OUTER, ACTIVITY_PANEL = 40, 41  # of penalised relu before a single output, instead of the gradient's, else 0
N_LAYOUT = 42

NOWHERE = -1

# columns of `penalties`
COEF_L1, COEF_L2, INTERCEPT_L1, INTERCEPT_L2, ACTIVITY_L1, ACTIVITY_L2, DROPOUT = 0, 1, 2, 3, 4, 5, 6
COEF_GROUP, POSITIVE = 7, 8  # strength of |row|_2; 1 where all weights must be >= 0
MAX_NORM = 9  # of the weights of each output, or 0
DECAY = 10  # of the weights, in units of the learning rate
SKIP_NORM, HIERARCHY = 11, 12  # LassoNet's lambda and M, first layer only
N_PENALTIES = 13

# dropout that is part of the kernels: with a mask for each row, or with that of row 0 for all
BERNOULLI, BATCHWISE = 0, 1
# activations that are part of the product
IDENTITY, RELU = 0, 1
# optimizers
SGD, NESTEROV, ADAM = 0, 1, 2

# entries of `rates`, the numbers that an optimizer needs beside the learning rate of each step
MOMENTUM, BETA_1, BETA_2, EPSILON, CLIP_NORM = 0, 1, 2, 3, 4
N_RATES = 5

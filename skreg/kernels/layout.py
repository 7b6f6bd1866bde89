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
N_LAYOUT = 9

# columns of `penalties`
COEF_L1, COEF_L2, INTERCEPT_L1, INTERCEPT_L2, ACTIVITY_L1, ACTIVITY_L2, DROPOUT = 0, 1, 2, 3, 4, 5, 6
N_PENALTIES = 7

# activations
IDENTITY, LOGISTIC, TANH, RELU = 0, 1, 2, 3
# losses, as functions of the raw prediction: the link is part of the loss
SQUARED_ERROR, POISSON, BINARY_LOG_LOSS, MULTINOMIAL_LOG_LOSS = 0, 1, 2, 3
# links of predictions: none, or mean or probability of each output, or of both classes of one output
NO_LINK, EXP_LINK, SOFTMAX_LINK, LOGISTIC_LINK, TWO_CLASSES_LINK = 0, 1, 2, 3, 4
# optimizers
SGD, NESTEROV, ADAM = 0, 1, 2

# entries of `rates`, the numbers that an optimizer needs
LEARNING_RATE, MOMENTUM, BETA_1, BETA_2, EPSILON = 0, 1, 2, 3, 4
N_RATES = 5

#include <lrnn.h>
#include <stdio.h>

/* Steps of a model of each output activation, cell and kind of weights: a library of some parts
 * alone must have every kernel that they call. */
int main(void)
{
    int failed = 0;
    for (int i = 0; i < 5 * 4 * 3; i++) {
        lrnn_model_options options;
        lrnn_model *model;
        lrnn_state *state;
        float outputs[7], sum = 0;
        int32_t token = 1;
        lrnn_model_options_init(&options);
        options.vocab_size = 7;
        options.hidden_size = 40;
        options.output_activation = i % 5;
        options.cell = i / 5 % 4;
        options.weight_type = i / 20;
        if (lrnn_model_create(&model, &options) != LRNN_OK ||
            lrnn_state_create(&state, model, NULL) != LRNN_OK ||
            lrnn_state_step(state, &token, NULL, outputs) != LRNN_OK) {
            return printf("%s\n", lrnn_last_error()), 1;
        }
        for (size_t k = 0; k < 7; k++) {
            sum += outputs[k];
        }
        failed +=
            options.output_activation == LRNN_ACTIVATION_SOFTMAX && (sum < 0.999f || sum > 1.001f);
        lrnn_state_destroy(state);
        lrnn_model_destroy(model);
    }
    return failed;
}

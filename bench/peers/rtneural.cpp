// Tiny layers in RTNeural (github.com/jatinchowdhury18/RTNeural), sizes fixed at compile time, its
// Eigen backend. Speaks as the other benchmark programs do. Arguments: the work (as bench/sample.c),
// threads (1), the folder with the model. Both kinds of work are the same to RTNeural: a call a
// sample.
#include <RTNeural/RTNeural.h>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

extern "C" {
#include "../common.h"
}

namespace
{

constexpr int BLOCK = 64, BLOCKS = 4096;

// The parameters of a model as the JSON of a PyTorch state_dict.
nlohmann::json state_dict(const lrnn_model *model)
{
    nlohmann::json all;
    for (std::size_t i = 0; i < lrnn_model_tensor_count(model); i++) {
        lrnn_parameter p;
        must(lrnn_parameter_init(&p, sizeof p));
        must(lrnn_model_get_parameter(&p, model, i));
        std::vector<float> values(p.count);
        must(lrnn_model_copy_parameter(values.data(), p.count, model, p.name));
        if (p.rank == 1) {
            all[p.name] = values;
            continue;
        }
        std::vector<std::vector<float>> rows;
        for (std::size_t row = 0; row < p.shape[0]; row++) {
            auto first = values.begin() + static_cast<std::ptrdiff_t>(row * p.shape[1]);
            rows.emplace_back(first, first + static_cast<std::ptrdiff_t>(p.shape[1]));
        }
        all[p.name] = rows;
    }
    return all;
}

template <class Net> struct Job {
    Net net;
    float x[BLOCK], y[BLOCK];
};

template <class Net> double run(void *user)
{
    Job<Net> *job = static_cast<Job<Net> *>(user);
    double total = 0;
    for (int i = 0; i < BLOCKS; i++) {
        for (int t = 0; t < BLOCK; t++) {
            job->y[t] = job->net.forward(&job->x[t]);
        }
    }
    for (float y : job->y) {
        total += static_cast<double>(y);
    }
    return total;
}

double no_limit(void *)
{
    return 0;
}

template <class Net> int serve_net(Job<Net> *job)
{
    for (int t = 0; t < BLOCK; t++) {
        job->x[t] = static_cast<float>(std::sin(6.283185307179586 * t / BLOCK));
    }
    job->net.reset();
    work of = {static_cast<double>(BLOCKS) * BLOCK, run<Net>, no_limit, job};
    return serve(&of, "RTNeural");
}

template <int H> int serve_cell(const lrnn_model *model, bool lstm)
{
    namespace helpers = RTNeural::torch_helpers;
    nlohmann::json weights = state_dict(model);
    if (lstm) {
        using Net = RTNeural::ModelT<float, 1, 1, RTNeural::LSTMLayerT<float, 1, H>,
                                     RTNeural::DenseT<float, H, 1>>;
        auto *job = new Job<Net>();
        helpers::loadLSTM<float>(weights, "rnn.", job->net.template get<0>());
        helpers::loadDense<float>(weights, "head.", job->net.template get<1>());
        return serve_net(job);
    }
    using Net = RTNeural::ModelT<float, 1, 1, RTNeural::GRULayerT<float, 1, H>,
                                 RTNeural::DenseT<float, H, 1>>;
    auto *job = new Job<Net>();
    helpers::loadGRU<float>(weights, "rnn.", job->net.template get<0>());
    helpers::loadDense<float>(weights, "head.", job->net.template get<1>());
    return serve_net(job);
}

} // namespace

int main(int argc, char **argv)
{
    char kind[16], cell[16];
    int hidden = 0;
    if (argc != 4 || std::sscanf(argv[1], "%15[a-z]-%15[a-z]-%d", kind, cell, &hidden) != 3) {
        std::fprintf(stderr, "usage: %s WORK THREADS FOLDER\n", argv[0]);
        return 2;
    }
    lrnn_model *model;
    must(lrnn_model_load(&model, (std::string(argv[3]) + "/" + argv[1] + ".safetensors").c_str(),
                         nullptr));
    bool lstm = std::string(cell) == "lstm";
    switch (hidden) {
    case 8: return serve_cell<8>(model, lstm);
    case 12: return serve_cell<12>(model, lstm);
    case 16: return serve_cell<16>(model, lstm);
    case 20: return serve_cell<20>(model, lstm);
    case 24: return serve_cell<24>(model, lstm);
    case 32: return serve_cell<32>(model, lstm);
    case 40: return serve_cell<40>(model, lstm);
    case 64: return serve_cell<64>(model, lstm);
    default: std::fprintf(stderr, "%s: no net of %d\n", argv[0], hidden); return 2;
    }
}

// One step of one stream as template libraries do it (RTNeural and the like): sizes fixed at
// compile time, one Eigen product of all gates with [x; h; 1], then the gates in arrays. Speaks as
// the other benchmark programs do. Arguments: the work, threads (1), the folder with the model.
#include <Eigen/Dense>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

extern "C" {
#include "../common.h"
}

namespace
{

constexpr int STEPS = 1000;

std::vector<float> parameter(const lrnn_model *model, const char *name)
{
    lrnn_parameter p;
    must(lrnn_parameter_init(&p, sizeof p));
    must(lrnn_model_find_parameter(&p, model, name));
    std::vector<float> values(p.count);
    must(lrnn_model_copy_parameter(values.data(), p.count, model, name));
    return values;
}

template <int Rows, int Columns>
Eigen::Matrix<float, Rows, Columns> matrix(const lrnn_model *model, const char *name)
{
    using rows =
        Eigen::Matrix<float, Rows, Columns, Columns == 1 ? Eigen::ColMajor : Eigen::RowMajor>;
    std::vector<float> values = parameter(model, name);
    return Eigen::Map<rows>(values.data());
}

template <class Array> auto sigmoid(const Array &x)
{
    return (1.0f + (-x).exp()).inverse();
}

template <int H> struct Lstm {
    Eigen::Matrix<float, 4 * H, 2 * H + 1> weights; // of [x; h; 1]
    Eigen::Matrix<float, 2 * H + 1, 1> input;
    Eigen::Matrix<float, 4 * H, 1> gates;
    Eigen::Array<float, H, 1> c;

    explicit Lstm(const lrnn_model *model)
    {
        weights << matrix<4 * H, H>(model, "rnn.weight_ih_l0"),
            matrix<4 * H, H>(model, "rnn.weight_hh_l0"),
            matrix<4 * H, 1>(model, "rnn.bias_ih_l0") + matrix<4 * H, 1>(model, "rnn.bias_hh_l0");
        input.setZero();
        input(2 * H) = 1;
        c.setZero();
    }

    void step(const float *x)
    {
        input.template head<H>() = Eigen::Map<const Eigen::Matrix<float, H, 1>>(x);
        gates.noalias() = weights * input;
        auto i = gates.template segment<H>(0).array(), f = gates.template segment<H>(H).array();
        auto g = gates.template segment<H>(2 * H).array(),
             o = gates.template segment<H>(3 * H).array();
        c = sigmoid(f) * c + sigmoid(i) * g.tanh();
        input.template segment<H>(H) = (sigmoid(o) * c.tanh()).matrix();
    }

    float sum() const
    {
        return input.template segment<H>(H).sum();
    }
};

template <int H> struct Gru {
    Eigen::Matrix<float, 3 * H, H + 1> input_weights, hidden_weights; // of [x; 1] and [h; 1]
    Eigen::Matrix<float, H + 1, 1> input, hidden;
    Eigen::Matrix<float, 3 * H, 1> from_x, from_h;
    Eigen::Array<float, H, 1> z, n;

    explicit Gru(const lrnn_model *model)
    {
        input_weights << matrix<3 * H, H>(model, "rnn.weight_ih_l0"),
            matrix<3 * H, 1>(model, "rnn.bias_ih_l0");
        hidden_weights << matrix<3 * H, H>(model, "rnn.weight_hh_l0"),
            matrix<3 * H, 1>(model, "rnn.bias_hh_l0");
        input.setZero();
        hidden.setZero();
        input(H) = hidden(H) = 1;
    }

    void step(const float *x)
    {
        input.template head<H>() = Eigen::Map<const Eigen::Matrix<float, H, 1>>(x);
        from_x.noalias() = input_weights * input;
        from_h.noalias() = hidden_weights * hidden;
        auto x_r = from_x.template segment<H>(0).array(),
             h_r = from_h.template segment<H>(0).array();
        auto x_z = from_x.template segment<H>(H).array(),
             h_z = from_h.template segment<H>(H).array();
        auto x_n = from_x.template segment<H>(2 * H).array(),
             h_n = from_h.template segment<H>(2 * H).array();
        z = sigmoid(x_z + h_z);
        n = (x_n + sigmoid(x_r + h_r) * h_n).tanh();
        hidden.template head<H>() =
            ((1.0f - z) * n + z * hidden.template head<H>().array()).matrix();
    }

    float sum() const
    {
        return hidden.template head<H>().sum();
    }
};

template <class Net> struct Job {
    Net net;
    std::size_t hidden, repetition;
    std::vector<float> features;
};

template <class Net> double run(void *user)
{
    Job<Net> *job = static_cast<Job<Net> *>(user);
    for (std::size_t i = 0; i < job->repetition; i++) {
        job->net.step(job->features.data() + i % STEPS * job->hidden);
    }
    return static_cast<double>(job->net.sum());
}

double no_limit(void *)
{
    return 0;
}

template <class Net> int serve_net(const lrnn_model *model, std::size_t hidden, double weights)
{
    Job<Net> *job = new Job<Net>{Net(model), hidden, 1 + static_cast<std::size_t>(1e9 / weights),
                                 std::vector<float>(STEPS * hidden)};
    for (std::size_t i = 0; i < job->features.size(); i++) {
        job->features[i] = static_cast<float>(number_at(i)) / 1073741824.0f - 1;
    }
    work of = {static_cast<double>(job->repetition), run<Net>, no_limit, job};
    return serve(&of, "Eigen, sizes fixed");
}

template <int H> int serve_cell(const lrnn_model *model, bool lstm)
{
    double weights = 2.0 * (lstm ? 4 : 3) * H * H;
    return lstm ? serve_net<Lstm<H>>(model, H, weights) : serve_net<Gru<H>>(model, H, weights);
}

} // namespace

int main(int argc, char **argv)
{
    char cell[16];
    int hidden = 0;
    if (argc != 4 || std::sscanf(argv[1], "step-%15[a-z]-%d", cell, &hidden) != 2) {
        std::fprintf(stderr, "usage: %s WORK THREADS FOLDER\n", argv[0]);
        return 2;
    }
    lrnn_model *model;
    must(lrnn_model_load(&model, (std::string(argv[3]) + "/" + argv[1] + ".safetensors").c_str(),
                         nullptr));
    bool lstm = std::string(cell) == "lstm";
    switch (hidden) {
    case 64: return serve_cell<64>(model, lstm);
    case 128: return serve_cell<128>(model, lstm);
    case 256: return serve_cell<256>(model, lstm);
    default: std::fprintf(stderr, "%s: no net of %d\n", argv[0], hidden); return 2;
    }
}

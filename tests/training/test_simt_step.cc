/* test_simt_step.cc - a recorded training step on the emulated GPU, whose branches may run early or late. */
#include <gtest/gtest.h>

#include <string>
#include <utility>

#include "lenet/device.h"
#include "lenet/device_data.h"
#include "lenet/network.h"
#include "support/fill.h"
#include "support/simt/simt_test.h"

namespace {

class Step : public Simt {
  protected:
    /* The weights after some recorded steps. */
    static Floats Train(const char *arch, lenet_optimizer optimizer) {
        lenet_error err = {};
        lenet_device device;
        lenet_topology topology;
        lenet_network net;
        lenet_dataset data;
        lenet_device_data on_device;
        EXPECT_EQ(lenet_device_open("cuda", {0, 1, 0}, &device, &err), LENET_OK) << err.text;
        EXPECT_EQ(lenet_dataset_random(TestSeed(), 40, 28, &data), LENET_OK);
        EXPECT_EQ(lenet_topology_make(lenet_arch_find(arch), LENET_RELU, LENET_POOL_MAX, 10, &topology, &err),
                  LENET_OK);
        if (optimizer == LENET_SDLM) topology.loss = LENET_MAP;
        const lenet_network_options options = {&topology, optimizer, 1, 20, 0};
        EXPECT_EQ(lenet_device_data_create(device.backend, device.ctx, &data, lenet_scaling_of(&data.train, 28, 28),
                                           topology.arch->field, &on_device, &err),
                  LENET_OK);
        EXPECT_EQ(lenet_network_create(device.backend, device.ctx, &options, &net, &err), LENET_OK) << err.text;
        lenet_hyper hyper = {};
        hyper.seed = TestSeed();
        hyper.train_count = 40;
        hyper.learning_rate = 0.01f;
        hyper.momentum = 0.9f;
        hyper.epsilon = 0.02f;
        hyper.total_steps = 9;
        Floats weights(topology.stride);
        lenet_topology_init(&topology, LENET_INIT_STANDARD, hyper.seed, 1, weights.data());
        EXPECT_EQ(lenet_network_put(&net, net.w, 0, weights.data()), LENET_OK);
        EXPECT_EQ(device.backend->upload(device.ctx, net.hyper, &hyper, sizeof hyper), LENET_OK);
        if (optimizer == LENET_SDLM) {
            EXPECT_EQ(lenet_network_curvature(&net, &on_device.train, 1), LENET_OK);
        }
        EXPECT_EQ(lenet_network_steps(&net, &on_device.train, 2), LENET_OK) << device.backend->message(device.ctx);
        EXPECT_EQ(lenet_network_get(&net, net.w, 0, weights.data()), LENET_OK);
        lenet_network_free(&net);
        lenet_device_data_free(device.backend, device.ctx, &on_device);
        lenet_device_close(&device);
        lenet_dataset_free(&data);
        return weights;
    }
};

/* What a branch must not overwrite too early, and what nobody may read before a branch has written it. */
TEST_F(Step, DoesNotDependOnWhenItsBranchesRun) {
    const std::pair<const char *, lenet_optimizer> cases[] = {{"lenet1", LENET_NESTEROV}, {"lenet5-1998", LENET_SDLM}};
    for (const auto &[arch, optimizer] : cases) {
        const Floats late = Train(arch, optimizer);
        EXPECT_GT(simt::counters().graph_launches, 0u);
        Renew();
        simt::set_early_branches(true);
        EXPECT_TRUE(Train(arch, optimizer) == late) << arch;
        Renew();
    }
}

} // namespace

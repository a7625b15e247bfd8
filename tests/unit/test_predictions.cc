/* test_predictions.cc - which training images a network is said to have had, against the batches that are drawn. */
#include <gtest/gtest.h>

#include <set>
#include <vector>

#include "lenet/device.h"
#include "train/predictions.h"

namespace {

/* Training images of one pixel, each of which shows its own number. */
class TrainingImages : public ::testing::TestWithParam<std::vector<std::pair<const char *, const char *>>> {
  protected:
    static constexpr size_t kImages = 200, kOdd = 203; /* more than are bits of whole bytes */

    void SetUp() override {
        ASSERT_EQ(lenet_device_open("cpu", {0, 1, 0, 0}, &device_, nullptr), LENET_OK);
        lenet_config_init(&config_);
        for (const auto &[name, value] : GetParam())
            ASSERT_EQ(lenet_option_set(&config_, lenet_option_find(name), value, nullptr), LENET_OK);
    }
    void TearDown() override { lenet_device_close(&device_); }

    /* The numbers of the images in the batch of a step. */
    std::set<int> Drawn(const lenet_settings &settings, uint64_t step, size_t images) {
        const lenet_backend *be = device_.backend;
        const int N = (settings.B + be->lanes - 1) / be->lanes * be->lanes;
        std::vector<uint8_t> pixels(images), labels(images, 0);
        for (size_t i = 0; i < images; i++) pixels[i] = (uint8_t)i;
        struct {
            void *images, *labels, *hyper, *step, *x, *label;
        } p;
        EXPECT_EQ(be->alloc(device_.ctx, &p.images, images), LENET_OK);
        EXPECT_EQ(be->alloc(device_.ctx, &p.labels, images), LENET_OK);
        EXPECT_EQ(be->alloc(device_.ctx, &p.hyper, sizeof settings.hyper), LENET_OK);
        EXPECT_EQ(be->alloc(device_.ctx, &p.step, sizeof step), LENET_OK);
        EXPECT_EQ(be->alloc(device_.ctx, &p.x, (size_t)N * sizeof(float)), LENET_OK);
        EXPECT_EQ(be->alloc(device_.ctx, &p.label, (size_t)N), LENET_OK);
        be->upload(device_.ctx, p.images, pixels.data(), images);
        be->upload(device_.ctx, p.labels, labels.data(), images);
        be->upload(device_.ctx, p.hyper, &settings.hyper, sizeof settings.hyper);
        be->upload(device_.ctx, p.step, &step, sizeof step);
        batch_draw draw = {};
        draw.R = 1;
        draw.N = N;
        draw.B = settings.B;
        draw.source = {(uint32_t)images, 1, 1, 1, (uint8_t *)p.images, (uint8_t *)p.labels, 1, 1, 1, 0};
        draw.hyper = (lenet_hyper *)p.hyper;
        draw.step = (uint64_t *)p.step;
        draw.x = p.x;
        draw.label = (uint8_t *)p.label;
        EXPECT_EQ(be->batch_draw(device_.ctx, &draw), LENET_OK);
        std::vector<float> x((size_t)N);
        std::vector<uint8_t> label((size_t)N);
        be->download(device_.ctx, x.data(), p.x, x.size() * sizeof x[0]);
        be->download(device_.ctx, label.data(), p.label, label.size());
        for (void *memory : {p.images, p.labels, p.hyper, p.step, p.x, p.label}) be->release(device_.ctx, memory);
        std::set<int> drawn;
        for (size_t n = 0; n < x.size(); n++)
            if (label[n] != LENET_NO_LABEL) drawn.insert((int)x[n]);
        return drawn;
    }

    lenet_device device_ = {};
    lenet_config config_ = {};
};

TEST_P(TrainingImages, AreThoseThatItsBatchesAreDrawnFrom) {
    for (const size_t images : {kImages, kOdd}) {
        lenet_settings settings;
        ASSERT_EQ(lenet_settings_make(&config_, images, &settings, nullptr), LENET_OK);
        std::set<int> trained;
        for (uint64_t step = 0; step < 2 * settings.steps_per_epoch; step++)
            trained.merge(Drawn(settings, step, images));
        EXPECT_EQ(trained.size(), settings.hyper.train_count) << "two epochs have the same images";

        lenet_dataset data = {};
        data.train.count = images;
        data.test.count = 1;
        lenet_predictions predictions;
        ASSERT_EQ(lenet_predictions_make(&config_, 2, &data, &predictions, nullptr), LENET_OK);
        lenet_predictions_add_training(&predictions, 1, &settings.hyper, images);
        for (size_t i = 0; i < images; i++) {
            const uint8_t *bits = predictions.training + predictions.bytes;
            EXPECT_EQ(bits[i / 8] >> i % 8 & 1, trained.count((int)i)) << i;
            EXPECT_EQ(predictions.training[i / 8], 0) << "of another network";
        }
        lenet_predictions_free(&predictions);
    }
}

INSTANTIATE_TEST_SUITE_P(Splits, TrainingImages,
                         ::testing::Values(std::vector<std::pair<const char *, const char *>>{},
                                           std::vector<std::pair<const char *, const char *>>{{"train-size", "37"}},
                                           std::vector<std::pair<const char *, const char *>>{{"validation", "50"}},
                                           std::vector<std::pair<const char *, const char *>>{
                                               {"validation", "50"}, {"train-size", "37"}, {"seed", "9"}}));

} // namespace

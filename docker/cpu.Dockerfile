# The program for CPUs, on Debian.
#   docker build -f docker/cpu.Dockerfile -t lenet .
FROM debian:12-slim AS build
# Versions are those of the base image's distribution.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends build-essential cmake ninja-build pkg-config zlib1g-dev \
        libcjson-dev libssl-dev libpng-dev libjpeg-dev libexif-dev \
    && rm -rf /var/lib/apt/lists/*
COPY . /source
RUN cmake -S /source -B /build -G Ninja -DLENET_CUDA=OFF -DBUILD_TESTING=OFF \
    && cmake --build /build \
    && cmake --install /build --strip --prefix /installed \
    && rm -r /installed/include /installed/lib

FROM debian:12-slim
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install -y --no-install-recommends zlib1g libcjson1 libssl3 libpng16-16 libjpeg62-turbo libexif12 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home lenet
COPY --from=build /installed /usr/local
USER lenet
WORKDIR /mnt
ENTRYPOINT ["lenet"]
CMD ["help"]

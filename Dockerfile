# Two images of one binary, which is built on bookworm, so for its C library: 2.36, which node:24 has too.
#   docker build .                    the binary, the libraries that it names and CA roots: what the manifests' init
#                                     container copies out
#   docker build --target sidecar .   the binary on Node, which runs t3's CLI: for compose
# The tag of the Rust image is the rust-version of Cargo.toml.
FROM docker.io/library/rust:1.95-bookworm AS build
SHELL ["/bin/bash", "-euo", "pipefail", "-c"]
WORKDIR /src
COPY . .
# The loader and the libraries keep their places. What is opened by name later, glibc 2.36 has in itself.
RUN mkdir /image \
    && cp "$(.ci/release t3-dispatcher)/t3-dispatcher" /image \
    && ldd /image/t3-dispatcher | grep -o '/[^ ]*' \
        | xargs cp --dereference --parents --target-directory /image /etc/ssl/certs/ca-certificates.crt

FROM docker.io/library/node:24-bookworm-slim AS sidecar
COPY --from=build /image/t3-dispatcher /usr/local/bin/t3-dispatcher
# -slim has none.
COPY --from=build /image/etc/ssl /etc/ssl
# t3's CLI works for none but the owner of the base directory: node.
USER 1000:1000
EXPOSE 8080 9464
ENTRYPOINT ["/usr/local/bin/t3-dispatcher"]

FROM scratch AS binary
COPY --from=build /image /
USER 1000:1000
EXPOSE 8080 9464
ENTRYPOINT ["/t3-dispatcher"]

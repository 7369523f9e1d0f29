# syntax=docker/dockerfile:1
FROM python:3.11-slim-bookworm AS build
RUN python -m venv /opt/sojourn
WORKDIR /source
COPY requirements-runtime.lock .
RUN /opt/sojourn/bin/pip install --no-cache-dir --require-hashes --no-deps -r requirements-runtime.lock
COPY . .
RUN /opt/sojourn/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.11-slim-bookworm
RUN useradd --system --uid 10001 --user-group --no-create-home sojourn
COPY --from=build /opt/sojourn /opt/sojourn
ENV PATH=/opt/sojourn/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    PYTHONDONTWRITEBYTECODE=1 \
    PYTHONTZPATH="" \
    SOJOURN_API_HOST=0.0.0.0 \
    SOJOURN_API_PORT=8080
USER 10001
WORKDIR /opt/sojourn
EXPOSE 8080
# Of the API, which is what the image runs unless told otherwise.
HEALTHCHECK --interval=10s --timeout=5s --start-period=20s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8080/healthz', timeout=4)"]
CMD ["sojourn", "api"]

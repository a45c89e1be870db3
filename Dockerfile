# The page and its share server (docs/hosting.md): docker build -t openvla-web . && docker run -p 5173:5173 -v shares:/data openvla-web
FROM node:22-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc* ./
RUN npm ci
COPY . .
RUN npm run build -- --smallest

FROM node:22-bookworm-slim
ENV NODE_ENV=production HOST=0.0.0.0 PORT=5173 DATA_DIR=/data DIST_DIR=/app/dist
WORKDIR /app
COPY package.json package-lock.json .npmrc* ./
# tsx runs the server's TypeScript; it is among the tools of development.
RUN npm ci --omit=dev && npm install --no-save tsx && npm cache clean --force
COPY --from=build /app/dist dist
COPY server server
COPY src src
COPY tools/node tools/node
RUN mkdir /data && chown node:node /data
USER node
VOLUME /data
EXPOSE 5173
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
  CMD ["node", "-e", "fetch('http://127.0.0.1:5173/api/health').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]
# node itself is process 1, so that SIGTERM reaches it; answers that are being read are read to their end.
STOPSIGNAL SIGTERM
CMD ["node", "tools/node/run.mjs", "server/main.ts"]

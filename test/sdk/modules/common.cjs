/** CommonJS that asks for Node's own modules. */
const path = require("node:path");
exports.here = () => [typeof __dirname, path.extname(__filename)];

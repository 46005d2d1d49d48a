import { growths } from "./linear.ts"
for (const g of growths(process.argv[2] === "quick")) console.log(g.factor.toFixed(1).padStart(6), g.perByte.toFixed(1).padStart(7), g.name)

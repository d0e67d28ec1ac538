export default { scenario: { startTime: Date.now() }, vu: { metrics: { tags: {} } } };
